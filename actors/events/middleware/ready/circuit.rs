//! The circuit of one listener: whether it is run, and what its runs change about that.
//!
//! `closed → (failures in a row) → open → (pause) → one trial → closed, or open again`

use std::time::Duration;
use std::{error, fmt};

use tokio::time::Instant;

use crate::base::debug_is_display;
use crate::events::verdict::ListenerError;

/// Every change of its state but the counting of failures begins another turn, so that a run which belongs to an earlier
/// one changes nothing.
#[derive(Default)]
pub(super) struct Circuit {
    state: State,
    turn: u64,
}

enum State {
    Closed { failures: u32 },
    Open { until: Instant, last: ListenerError },
    Trial { last: ListenerError },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What a run has changed.
pub(super) enum Change {
    None,
    Opened,
    Closed,
}

impl Circuit {
    /// Lets a run in, and says to which turn it belongs; or how long not, and since which error.
    pub(super) fn enter(&mut self, now: Instant) -> Result<u64, (Duration, ListenerError)> {
        match &self.state {
            State::Closed { .. } => Ok(self.turn),
            State::Trial { last } => Err((Duration::ZERO, last.clone())),
            State::Open { until, last } if now < *until => Err((*until - now, last.clone())),
            State::Open { last, .. } => Ok(self.begin(State::Trial { last: last.clone() })),
        }
    }

    /// A run of this turn has ended. So many failures open the circuit, until then.
    pub(super) fn leave(&mut self, turn: u64, error: Option<ListenerError>, most: u32, until: Instant) -> Change {
        if turn != self.turn {
            return Change::None;
        }
        match (&mut self.state, error) {
            (State::Closed { failures }, None) => {
                *failures = 0;
                Change::None
            }
            (State::Closed { failures }, Some(_)) if *failures + 1 < most => {
                *failures += 1;
                Change::None
            }
            (_, Some(last)) => {
                self.begin(State::Open { until, last });
                Change::Opened
            }
            (_, None) => {
                self.begin(State::default());
                Change::Closed
            }
        }
    }

    fn begin(&mut self, state: State) -> u64 {
        self.turn += 1;
        self.state = state;
        self.turn
    }
}

/// The error of a call that a [`CircuitBreaker`](super::CircuitBreaker) refuses because the listener kept failing.
#[derive(Clone, PartialEq, Eq)]
pub struct CircuitOpen {
    /// The number of failures in a row that open the circuit.
    pub failures: u32,
    /// The time until the next trial; zero if a trial is under way.
    pub retry_in: Duration,
    /// The last failure of the listener.
    pub last: ListenerError,
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_in.as_nanos().div_ceil(1_000_000) {
            0 => f.write_str("not run while another call tries whether it works again")?,
            millis => write!(f, "not run for another {:?}", Duration::from_millis(millis as u64))?,
        }
        let s = if self.failures == 1 { "" } else { "s" };
        write!(f, ", after {} failure{s} in a row", self.failures)
    }
}

impl error::Error for CircuitOpen {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.last)
    }
}

debug_is_display!(CircuitOpen);
