//! Where listeners that are not done at once write their results: one for an emission that has such.
//!
//! `listener ends (on any arbiter) → Ticket → Board → Report`

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::away::Away;
use crate::events::verdict::{ListenerError, Verdict};
use crate::runtime::quietly;

/// What is said of some, by their places.
pub(super) type Said<T> = Vec<(u32, T)>;

pub(crate) struct Board {
    state: Mutex<BoardState>,
    /// Some of them are on other arbiters.
    far: bool,
}

struct BoardState {
    left: usize,
    others: Said<Verdict>,
    times: Said<Duration>,
    waiter: Option<Waker>,
    /// How those on other arbiters stand, by their places.
    far: Vec<Far>,
    /// By which the emission knows when to give them up: here and not with the emission, which is smaller without.
    away: Option<Box<Away>>,
}

/// How a listener on another arbiter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Far {
    /// It is on this one, or none.
    No,
    /// The event is on its way to it.
    Sent,
    /// It is called: so many tickets of it are out.
    Called(u32),
    /// Nobody waits for it any more.
    GivenUp,
}

/// One on whom it is waited no longer.
pub(crate) struct GivenUp {
    pub(crate) place: u32,
    /// The event had come to it.
    pub(crate) called: bool,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self::made(None)
    }

    /// One on which others on other arbiters write as well.
    pub(crate) fn with_away(away: Away) -> Self {
        Self::made(Some(Box::new(away)))
    }

    fn made(away: Option<Box<Away>>) -> Self {
        let far = away.is_some();
        let state = BoardState { left: 0, others: Vec::new(), times: Vec::new(), waiter: None, far: Vec::new(), away };
        Self { state: Mutex::new(state), far }
    }

    fn lock(&self) -> MutexGuard<'_, BoardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many more whose results are awaited.
    pub(crate) fn expect(&self, listeners: usize) {
        self.lock().left += listeners;
    }

    /// Those of another arbiter, to whom the event is sent.
    pub(crate) fn expect_far(&self, places: impl Iterator<Item = u32>) {
        let mut state = self.lock();
        for place in places {
            state.left += 1;
            let place = place as usize;
            if state.far.len() <= place {
                state.far.resize(place + 1, Far::No);
            }
            state.far[place] = Far::Sent;
        }
    }

    /// Whether one more ticket of this place counts; one that was given up has been told of already.
    pub(super) fn hand_out(&self, place: u32, expected: bool) -> bool {
        if !self.far {
            return true;
        }
        let mut state = self.lock();
        match state.far.get_mut(place as usize) {
            None | Some(Far::No) => true,
            Some(far @ Far::Sent) => {
                *far = Far::Called(1);
                true
            }
            Some(Far::Called(tickets)) => {
                *tickets += 1;
                true
            }
            Some(Far::GivenUp) => {
                state.left -= usize::from(expected);
                false
            }
        }
    }

    /// Whether some of them are on other arbiters.
    pub(crate) fn is_far(&self) -> bool {
        self.far
    }

    /// Those of one arbiter are done, for whom [one](Self::expect) was expected.
    pub(super) fn finish_all(&self, others: Said<Verdict>, times: Said<Duration>) {
        let waiter = {
            let mut state = self.lock();
            state.left -= 1;
            state.others.extend(others);
            state.times.extend(times);
            if state.left == 0 { state.waiter.take() } else { None }
        };
        if let Some(waiter) = waiter {
            quietly(|| waiter.wake());
        }
    }

    pub(super) fn finish(&self, place: u32, verdict: Option<Verdict>, took: Option<Duration>) {
        let waiter = {
            let mut state = self.lock();
            match state.far.get_mut(place as usize) {
                Some(Far::GivenUp) => return,
                Some(Far::Called(tickets)) => *tickets -= 1,
                _ => {}
            }
            state.left -= 1;
            if let Some(verdict) = verdict {
                state.others.push((place, verdict));
            }
            if let Some(took) = took {
                state.times.push((place, took));
            }
            if state.left == 0 { state.waiter.take() } else { None }
        };
        if let Some(waiter) = waiter {
            quietly(|| waiter.wake());
        }
    }

    /// Waits no longer for those on other arbiters that are not done at their time, which depends on whether the event has
    /// come to them; says who they are, and when the time of the next is over.
    pub(crate) fn give_up(&self, now: Instant, due: impl Fn(u32, bool) -> Instant) -> (Vec<GivenUp>, Option<Instant>) {
        let mut state = self.lock();
        let BoardState { left, far, .. } = &mut *state;
        let (mut given_up, mut next) = (Vec::new(), None::<Instant>);
        for (place, far) in (0..).zip(far) {
            let tickets = match far {
                Far::Sent => 1,
                Far::Called(tickets) if *tickets > 0 => *tickets as usize,
                _ => continue,
            };
            let called = *far != Far::Sent;
            let due = due(place, called);
            if due <= now {
                *far = Far::GivenUp;
                *left -= tickets;
                given_up.push(GivenUp { place, called });
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        (given_up, next)
    }

    /// What is known of those on other arbiters, for whoever polls the emission; it is [put back](Self::put_away).
    pub(crate) fn take_away(&self) -> Option<Box<Away>> {
        if self.far { self.lock().away.take() } else { None }
    }

    pub(crate) fn put_away(&self, away: Box<Away>) {
        self.lock().away = Some(away);
    }

    /// Hands over what has been written.
    pub(crate) fn take(&self) -> (Said<Verdict>, Said<Duration>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.others), std::mem::take(&mut state.times))
    }

    /// What went wrong with one of them.
    pub(crate) fn error(&self) -> Option<ListenerError> {
        self.lock().others.iter().find_map(|(_, verdict)| match verdict {
            Verdict::Failed(error, _) => Some(error.clone()),
            Verdict::Skipped => None,
        })
    }

    /// Whether all are done; if not, this task is woken when they are.
    pub(crate) fn poll_done(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.left == 0 {
            return true;
        }
        if !state.waiter.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waiter = Some(waker.clone());
        }
        false
    }
}
