//! Which event meets which expectation: one event meets one, and none is left out that could be met.
//!
//! `wait.rs: the places that an event fits → Plan → done, or who is missing`

use std::collections::VecDeque;

use crate::testing::Seen;

/// The expectations of one wait, by place, and the events that meet them.
#[derive(Debug)]
pub(crate) struct Plan {
    in_order: bool,
    /// By place, the event that meets it: its place in `events`.
    met_by: Vec<Option<usize>>,
    events: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    seen: Seen,
    fits: Vec<usize>,
    meets: Option<usize>,
}

impl Plan {
    pub(crate) fn new(places: usize, in_order: bool) -> Self {
        Self { in_order, met_by: vec![None; places], events: Vec::new() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.met_by.iter().all(Option::is_some)
    }

    /// By place, the event that meets it.
    pub(crate) fn met(&self) -> impl Iterator<Item = Option<&Seen>> {
        self.met_by.iter().map(|event| Some(&self.events.get((*event)?)?.seen))
    }

    /// The places that this event could still meet are looked at: all, or the next alone.
    pub(crate) fn wanted(&self) -> std::ops::Range<usize> {
        match self.met_by.iter().position(Option::is_none) {
            Some(next) if self.in_order => next..next + 1,
            Some(_) => 0..self.met_by.len(),
            None => 0..0,
        }
    }

    /// Takes an event that fits these places. An event that cannot be placed now, even if others move, never can: the
    /// events that are placed stay so, and only change places.
    pub(crate) fn offer(&mut self, seen: Seen, fits: Vec<usize>) {
        if fits.is_empty() {
            return;
        }
        let new = self.events.len();
        self.events.push(Candidate { seen, fits, meets: None });
        if !self.place(new) {
            self.events.pop();
        }
    }

    /// Looks for a chain of moves, shortest first, that ends at a free place.
    fn place(&mut self, new: usize) -> bool {
        // By place, the event that would move there.
        let mut moves: Vec<Option<usize>> = vec![None; self.met_by.len()];
        let mut movers = VecDeque::from([new]);
        while let Some(mover) = movers.pop_front() {
            for &place in &self.events[mover].fits {
                if moves[place].is_some() {
                    continue;
                }
                moves[place] = Some(mover);
                match self.met_by[place] {
                    Some(event) => movers.push_back(event),
                    None => {
                        self.shift(&moves, place);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Makes the moves that lead to this place, from there back to the new event.
    fn shift(&mut self, moves: &[Option<usize>], free: usize) {
        let mut place = Some(free);
        while let Some(to) = place
            && let Some(mover) = moves[to]
        {
            place = self.events[mover].meets.replace(to);
            self.met_by[to] = Some(mover);
        }
    }

    /// The events by place; among places that are alike the earlier event comes first.
    pub(crate) fn into_seen(self, alike: impl Fn(usize, usize) -> bool) -> Vec<Seen> {
        let mut seen: Vec<Seen> = self.met().flatten().cloned().collect();
        for place in 0..seen.len() {
            for later in place + 1..seen.len() {
                if alike(place, later) && seen[later].number() < seen[place].number() {
                    seen.swap(place, later);
                }
            }
        }
        seen
    }
}
