//! What becomes of rows that were taken together: each leaves by all of its ways, dies, or is parked.
//!
//! `Taken → ways → loads → (again, while a server is away) → done | Rows::bury | Rows::park`

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::select;

use super::engine::Shared;
use super::holding::Claim;
use super::load::{Attempt, Left, Load};
use super::way::Matched;
use crate::__private::Shown;
use crate::outbox::{FirstDead, Taken};
use crate::transport::{ErrorKind, Packet, TransportError};

/// How soon a settlement is tried again, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// A row, until it is settled.
struct Row {
    position: i64,
    key: Option<String>,
    /// What it is, if it was to leave.
    event: Option<Rc<Matched>>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It has not left by so many ways.
    Leaving(usize),
    /// It has left by all ways.
    Gone,
    /// For this reason.
    Dead(String),
    /// Behind a dead one of its key.
    Parked,
    /// There is nothing more to do.
    Settled,
}

pub(super) struct Batch<'a> {
    shared: &'a Shared,
    rows: Vec<Row>,
    loads: Vec<Load<'a>>,
}

impl<'a> Batch<'a> {
    /// A batch of these rows. `dead` are first dead rows that the relay does not remember.
    pub(super) fn new(shared: &'a Shared, taken: Vec<Taken>, dead: FirstDead) -> Self {
        let beside: HashMap<String, i64> = dead.into_iter().collect();
        let loads = shared.ways.all.iter().map(Load::new).collect();
        let mut batch = Self { shared, rows: Vec::with_capacity(taken.len()), loads };
        // Keys of which a row before, in this batch, cannot leave.
        let mut dead = HashSet::new();
        for (place, Taken { position, packet, .. }) in taken.into_iter().enumerate() {
            let key = packet.key.clone();
            let is_behind = |key: &String| {
                let is_beside = || beside.get(key).is_some_and(|first| *first < position);
                dead.contains(key) || shared.holding.dead().is_before(key, position) || is_beside()
            };
            let (event, state) = if key.as_ref().is_some_and(is_behind) {
                (None, State::Parked)
            } else {
                let event = shared.ways.of(&packet);
                let state = match batch.load(place, packet, &event) {
                    Ok(ways) => State::Leaving(ways),
                    Err(reason) => {
                        dead.extend(key.clone());
                        State::Dead(reason)
                    }
                };
                (Some(event), state)
            };
            batch.rows.push(Row { position, key, event, state });
        }
        batch
    }

    /// Has a row leave by all ways that match; returns how many these are, or why it cannot leave.
    fn load(&mut self, row: usize, packet: Packet, event: &Matched) -> Result<usize, String> {
        let Matched { name, ways } = event;
        let Some((last, others)) = ways.split_last() else {
            return Err(format!("no route of the relay matches `{}`: add one, and redrive it", Shown::name(name)));
        };
        let (all, key, mut read) = (&self.shared.ways.all, packet.key.clone(), None);
        let make = |way: usize, packet, read: &mut _| match all.get(way) {
            Some(there) => Ok((way, there.packet(packet, read)?)),
            None => Err("its route is gone".to_owned()),
        };
        let others: Result<Vec<_>, _> = others.iter().map(|way| make(*way, packet.clone(), &mut read)).collect();
        let others = others?;
        let last = make(*last, packet, &mut read)?;
        for (way, packet) in others.into_iter().chain([last]) {
            if let Some(load) = self.loads.get_mut(way) {
                load.push(row, key.clone(), packet);
            }
        }
        Ok(ways.len())
    }

    /// Goes on until nothing is left to do, the lanes are lost, or the relay stops. Returns the positions of those that have
    /// left and are still there.
    pub(super) async fn run(mut self, claim: &Claim<'_>) -> Vec<i64> {
        let (shared, mut attempt) = (self.shared, 1);
        loop {
            let may_go_on = || claim.holds() && !shared.is_stopping();
            let loads = self.loads.iter_mut().filter(|load| !load.is_empty());
            let attempts = select! {
                biased;
                attempts = join_all(loads.map(|load| load.leave(may_go_on))) => attempts,
                // What hangs is not waited for any longer: somebody else has the lanes.
                () = shared.holding.over() => return Vec::new(),
            };
            let trouble = self.note(attempts);
            self.settle(claim).await;
            if self.loads.iter().all(Load::is_empty) || !may_go_on() {
                return self.gone();
            }
            self.delete_gone().await;
            if let Some(error) = trouble {
                let pause =
                    self.loads.iter().find(|load| !load.is_empty()).map_or(FIRST_PAUSE, |load| load.pause(attempt));
                // Once is enough: a server may be away for long.
                let level = if attempt == 1 { log::Level::Warn } else { log::Level::Debug };
                log::log!(target: "convoke::relay", level, "{}: {error}; it is tried again after {pause:?}", shared.rows.name());
                shared.pause(pause).await;
                attempt += 1;
            }
        }
    }

    /// Notes what has left and what was refused; what stands behind that is parked. Returns what is wrong with a server.
    fn note(&mut self, attempts: Vec<Attempt>) -> Option<TransportError> {
        let (mut trouble, mut sent) = (None, 0);
        // From which row on.
        let mut dead: HashMap<String, usize> = HashMap::new();
        for attempt in attempts {
            for (place, left) in attempt.left {
                let Some(row) = self.rows.get_mut(place) else { continue };
                match (left, &row.state) {
                    (Left::Taken, State::Leaving(1)) => {
                        sent += 1;
                        row.state = State::Gone;
                    }
                    (Left::Taken, State::Leaving(ways)) => row.state = State::Leaving(ways - 1),
                    (Left::Refused(reason), State::Leaving(_)) => {
                        row.state = State::Dead(reason);
                        if let Some(key) = &row.key {
                            let first = dead.entry(key.clone()).or_insert(place);
                            *first = place.min(*first);
                        }
                    }
                    _ => {}
                }
            }
            trouble = trouble.or(attempt.trouble);
        }
        if !dead.is_empty() {
            for (place, row) in self.rows.iter_mut().enumerate() {
                let is_behind = row.key.as_ref().and_then(|key| dead.get(key)).is_some_and(|first| *first < place);
                if is_behind && matches!(row.state, State::Leaving(_)) {
                    row.state = State::Parked;
                }
            }
            let rows = &self.rows;
            let is_wanted = |row: usize| rows.get(row).is_some_and(|row| matches!(row.state, State::Leaving(_)));
            self.loads.iter_mut().for_each(|load| load.retain(is_wanted));
        }
        self.shared.stats.sent(sent, trouble.as_ref());
        trouble
    }

    /// Buries and parks, until that is done or nobody's business any more.
    async fn settle(&mut self, claim: &Claim<'_>) {
        let is_due = |row: &Row| matches!(row.state, State::Dead(_) | State::Parked);
        let mut pause = FIRST_PAUSE;
        while self.rows.iter().any(is_due) && claim.holds() {
            match self.settle_once().await {
                Ok(()) => return,
                Err(error) if error.kind() == ErrorKind::Lost => return self.shared.holding.lose(),
                Err(error) => self.shared.stats.lost_database(&error),
            }
            if self.shared.is_stopping() {
                return;
            }
            self.shared.pause(pause).await;
            pause = LAST_PAUSE.min(pause * 2);
        }
    }

    async fn settle_once(&mut self) -> Result<(), TransportError> {
        let shared = self.shared;
        let dead = self.rows.iter().filter_map(|row| match &row.state {
            State::Dead(reason) => Some((row, reason)),
            _ => None,
        });
        let dead: Vec<_> = dead.collect();
        if let Some((row, reason)) = dead.first() {
            let event = row.event.as_ref().map_or("an event", |event| &event.name);
            log::warn!(
                target: "convoke::relay",
                "{}: {} events are dead letters now, the first `{}` at position {} because {reason}; what follows with the \
                 same key is parked: see `dead_letters` of the outbox, and redrive or discard them",
                shared.rows.name(), dead.len(), Shown::name(event), row.position
            );
            let count = dead.len();
            shared.rows.bury(dead.into_iter().map(|(row, reason)| (row.position, reason.clone())).collect()).await?;
            for row in self.rows.iter_mut().filter(|row| matches!(row.state, State::Dead(_))) {
                row.state = State::Settled;
                shared.holding.dead().add(row.key.clone().map(|key| (key, row.position)));
            }
            shared.stats.dead(count);
        }
        let parked: Vec<_> =
            self.rows.iter().filter(|row| row.state == State::Parked).map(|row| row.position).collect();
        let count = parked.len();
        if !parked.is_empty() {
            let not_parked = shared.rows.park(parked).await?;
            let not_parked_count = not_parked.len().min(count);
            if !not_parked.is_empty() {
                // Somebody has redriven what was before them: all are read again, in their order. Nobody else can bury one of
                // these keys meanwhile, because their lanes are claimed.
                let dead = shared.rows.first_dead(not_parked.clone()).await?;
                let not_parked: HashSet<i64> = not_parked.into_iter().collect();
                let rows = self.rows.iter().filter(|row| not_parked.contains(&row.position));
                rows.filter_map(|row| row.key.as_ref()).for_each(|key| shared.holding.dead().remove(key));
                shared.holding.dead().add(dead);
            }
            self.rows.iter_mut().filter(|row| row.state == State::Parked).for_each(|row| row.state = State::Settled);
            shared.stats.parked(count - not_parked_count);
        }
        Ok(())
    }

    /// Deletes those that have left before it is waited: after a crash they would leave once more.
    async fn delete_gone(&mut self) {
        let gone = self.gone();
        if !gone.is_empty() && self.shared.rows.delete(gone).await.is_ok() {
            self.rows.iter_mut().filter(|row| row.state == State::Gone).for_each(|row| row.state = State::Settled);
        }
    }

    fn gone(&self) -> Vec<i64> {
        self.rows.iter().filter(|row| row.state == State::Gone).map(|row| row.position).collect()
    }
}
