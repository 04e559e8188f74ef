//! What a service has gone through: its last changes of state, and the restarts that count against its budget.
//!
//! `Standing::enter → History ← the keeper spends a restart`, `History → life/tree.rs`

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::state::ServiceState;
use crate::events::event::{read_date, write_date};

/// How many changes are kept of each service.
const KEPT: usize = 32;

/// A change of the state of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceChange {
    /// The state that the service entered.
    pub state: ServiceState,
    /// When it entered the state.
    #[serde(serialize_with = "write_date", deserialize_with = "read_date")]
    pub at: SystemTime,
    /// The error that has led to the state, if one has.
    pub error: Option<String>,
}

/// The restarts that a service has left before it counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetLeft {
    /// How many restarts are allowed.
    pub restarts: u32,
    /// The time of running within which the restarts count.
    pub within: Duration,
    /// How many of the restarts are left now.
    pub left: u32,
}

/// What a service has gone through.
#[derive(Debug, Default)]
pub(crate) struct History {
    changes: VecDeque<ServiceChange>,
    /// How many changes are no longer kept.
    earlier: u64,
    /// How long it has run, without the time since it last came to run.
    ran: Duration,
    up_since: Option<Instant>,
    budget: Option<(u32, Duration)>,
    /// The restarts that count, by the time which it had run until then.
    spent: Vec<Duration>,
}

impl History {
    /// It has entered a state.
    pub(super) fn note(&mut self, change: ServiceChange, now: Instant) {
        match self.up_since {
            None if change.state.is_up() => self.up_since = Some(now),
            Some(since) if !change.state.is_up() => {
                self.ran += now.saturating_duration_since(since);
                self.up_since = None;
            }
            _ => {}
        }
        if self.changes.len() == KEPT {
            self.changes.pop_front();
            self.earlier += 1;
        }
        self.changes.push_back(change);
    }

    /// From now on so many restarts are allowed, of which these were spent.
    pub(super) fn allow(&mut self, restarts: u32, within: Duration, spent: Vec<Duration>) {
        self.budget = Some((restarts, within));
        self.spent = spent;
    }

    pub(super) fn changes(&self) -> (Vec<ServiceChange>, u64) {
        (self.changes.iter().cloned().collect(), self.earlier)
    }

    /// What is left of its budget, if it is one that is started again.
    pub(super) fn left(&self, now: Instant) -> Option<BudgetLeft> {
        let (restarts, within) = self.budget?;
        let since = self.up_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let ran = self.ran + since;
        let counts = self.spent.iter().filter(|then| ran.saturating_sub(**then) <= within).count();
        let left = restarts.saturating_sub(u32::try_from(counts).unwrap_or(u32::MAX));
        Some(BudgetLeft { restarts, within, left })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::ServiceState::{Restarting, Running, Starting};
    use super::*;
    use crate::runtime;

    const S: Duration = Duration::from_secs(1);

    fn change(state: ServiceState) -> ServiceChange {
        ServiceChange { state, at: UNIX_EPOCH, error: None }
    }

    #[test]
    fn the_last_changes_are_kept_and_the_earlier_counted() {
        let (mut history, now) = (History::default(), runtime::now());
        for _ in 0..KEPT {
            history.note(change(Starting), now);
            history.note(change(Restarting), now);
        }
        history.note(change(Running), now);
        let (changes, earlier) = history.changes();
        assert_eq!((changes.len(), earlier), (KEPT, KEPT as u64 + 1));
        assert_eq!(changes.last().map(|change| change.state), Some(Running));
    }

    #[test]
    fn a_restart_counts_for_the_time_in_which_the_service_runs() {
        let (mut history, now) = (History::default(), runtime::now());
        assert_eq!(history.left(now), None);
        history.allow(2, 10 * S, Vec::new());
        history.note(change(Running), now);
        // It has fallen after it had run for 5 s, and was away for a minute.
        history.note(change(Restarting), now + 5 * S);
        history.allow(2, 10 * S, vec![5 * S]);
        let left = |history: &History, at: Duration| history.left(now + at).map(|budget| budget.left);
        assert_eq!(left(&history, 65 * S), Some(1));
        history.note(change(Running), now + 65 * S);
        assert_eq!(left(&history, 75 * S), Some(1));
        assert_eq!(left(&history, 76 * S), Some(2));
        // More than are allowed are none.
        history.allow(1, 10 * S, vec![15 * S, 15 * S]);
        assert_eq!(left(&history, 76 * S), Some(0));
    }
}
