//! Where a look begins, while dead rows that vacuum may not take away stand before what is ready.
//!
//! `a look that took long → who writes now? → they have ended → what is gone up to there stays gone → Starts → the next look`
//!
//! A position that is behind one that has been seen may still come about: by a transaction that has drawn it and is open. So
//! a look begins behind a position only once all who wrote when it had been seen have ended, and a later look has found nothing
//! ready up to there. What is made ready again there has a look begin at the first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::outbox::PostgresOutbox;
use crate::Uuid;
use crate::outbox::{LANES, Taken};
use crate::sql::postgres::Settling;

/// A look takes longer only if there are many dead rows before what is ready.
const SLOW: Duration = Duration::from_millis(20);
/// The same while looks have a start: it is to follow soon what is gone behind it.
const SLOW_BEHIND: Duration = Duration::from_micros(2_500);
/// How much of the time may go into looks from the first row: one part of so many.
const SHARE: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Starts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Up to which position nothing is ready in a lane.
    of_lanes: [i64; LANES as usize],
    /// How often it was begun anew.
    generation: u64,
    /// The last position that was seen.
    seen: i64,
    /// Up to which position all who drew one have ended.
    settling: Settling<i64>,
    /// When a look from the first row is worth its time.
    first: Option<Instant>,
    held: HashMap<Uuid, Vec<u16>>,
}

/// A look that has begun.
#[derive(Debug)]
pub(super) struct Look {
    /// For each lane, behind which position.
    pub(super) starts: Vec<i64>,
    lanes: Vec<u16>,
    settled: Option<i64>,
    generation: u64,
}

impl Starts {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, lanes: &[u16]) -> Look {
        let mut state = self.lock();
        if state.first.is_some_and(|first| first <= Instant::now()) {
            state.of_lanes = Default::default();
            state.first = None;
        }
        let starts = lanes.iter().map(|lane| state.of_lanes.get(usize::from(*lane)).copied().unwrap_or(0)).collect();
        Look { starts, lanes: lanes.to_vec(), settled: state.settling.settled(), generation: state.generation }
    }

    /// Up to which position nothing is ready in each of the lanes.
    pub(super) fn all(&self) -> [i64; LANES as usize] {
        self.lock().of_lanes
    }

    /// Notes what a look has found, in the order of positions.
    pub(super) fn end(&self, look: &Look, taken: &[Taken], took: Duration) {
        let mut state = self.lock();
        state.seen = taken.iter().map(|row| row.position).fold(state.seen, i64::max);
        // What is short needs no start. What is settled stays so: another look, of other lanes, may need it.
        if took <= SLOW && look.starts.iter().all(|start| *start == 0) {
            return;
        }
        let Some(settled) = look.settled.filter(|_| look.generation == state.generation) else { return };
        // Other processes may make something ready as well.
        let next = Instant::now() + took.max(SLOW) * SHARE;
        if look.starts.contains(&0) || state.first.is_none() {
            state.first = Some(next);
        }
        // Of the other lanes nothing stands before what was taken last.
        let last = taken.last().map_or(i64::MAX, |row| row.position);
        for lane in &look.lanes {
            let first = taken.iter().find(|row| row.lane == *lane).map_or(last, |row| row.position - 1);
            if let Some(start) = state.of_lanes.get_mut(usize::from(*lane)) {
                *start = settled.min(first).max(*start);
            }
        }
    }

    /// Whether a look took so long that a start, or one further behind, is worth its cost.
    fn is_long(&self, took: Duration) -> bool {
        let has_start = self.lock().of_lanes.iter().any(|start| *start > 0);
        took > if has_start { SLOW_BEHIND } else { SLOW }
    }

    /// Has the next looks begin at the first row: something was made ready again.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.of_lanes = Default::default();
        state.generation += 1;
    }

    /// Forgets all: these are the positions of another database.
    pub(super) fn begin_anew(&self) {
        let mut state = self.lock();
        let generation = state.generation + 1;
        *state = State { generation, ..State::default() };
    }

    /// Notes which lanes a relay has; what was known of one that it did not have before may not be so any more.
    pub(super) fn held(&self, relay: Uuid, lanes: &[u16]) {
        let mut state = self.lock();
        let before = state.held.insert(relay, lanes.to_vec()).unwrap_or_default();
        for lane in lanes.iter().filter(|lane| !before.contains(lane)) {
            state.generation += 1;
            if let Some(start) = state.of_lanes.get_mut(usize::from(*lane)) {
                *start = 0;
            }
        }
    }

    pub(super) fn left(&self, relay: Uuid) {
        self.lock().held.remove(&relay);
    }
}

/// After a look that took long: says who keeps vacuum back, and finds out up to where all who wrote have ended.
pub(super) async fn after(outbox: &PostgresOutbox, took: Duration) {
    if !outbox.starts.is_long(took) {
        return;
    }
    outbox.database.warn_of_held_snapshots(&outbox.at);
    let seen = outbox.starts.lock().seen;
    if seen == 0 {
        return;
    }
    // What is not known now is asked for again after the next look.
    if let Ok(writers) = outbox.database.writers(&outbox.at, "convoke_outbox").await {
        outbox.starts.lock().settling.note(seen, writers);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::transport::Packet;

    fn row(position: i64, lane: u16) -> Taken {
        Taken { position, lane, packet: Packet::new("1", "body"), age: Duration::ZERO }
    }

    #[tokio::test]
    async fn a_short_look_at_other_lanes_leaves_the_start_of_a_long_one() {
        let (starts, long) = (Starts::default(), SLOW * 5);
        starts.end(&starts.begin(&[3]), &[row(1_000, 3)], long);
        // All who wrote then have ended.
        starts.lock().settling.note(1_000, HashSet::new());
        starts.end(&starts.begin(&[1, 2]), &[], Duration::ZERO);
        let look = starts.begin(&[3]);
        assert_eq!((look.settled, &look.starts[..]), (Some(1_000), &[0][..]));
        starts.end(&look, &[row(1_001, 3)], long);
        assert_eq!(starts.begin(&[2, 3]).starts, [0, 1_000]);
        // It is kept from one look to the next, and goes on.
        starts.end(&starts.begin(&[1, 2]), &[], Duration::ZERO);
        starts.lock().settling.note(1_500, HashSet::new());
        starts.end(&starts.begin(&[3]), &[row(1_501, 3)], Duration::ZERO);
        assert_eq!(starts.begin(&[3]).starts, [1_500]);
        assert!(starts.is_long(SLOW_BEHIND * 2));
        starts.forget();
        assert_eq!(starts.begin(&[3]).starts, [0]);
        assert!(!starts.is_long(SLOW_BEHIND * 2) && starts.is_long(long));
    }
}
