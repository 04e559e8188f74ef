//! How long a publish tries a server that cannot be reached: as long as a restart takes.
//!
//! `nobody could be reached → Patience: a pause → once more, until the time is over`

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::press::{Press, Taken};
use crate::transport::{ErrorKind, Packet, TransportError};

/// For how long it is tried, unless the application says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The first pause and the longest, each of the others twice the one before.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// One publish, from its first try on.
pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, pause: FIRST }
    }

    /// Waits for a while; `false` if the time is over, or would be.
    pub(crate) async fn pause(&mut self) -> bool {
        if Instant::now() + self.pause >= self.until {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}

/// Packets on their way to the server, and which of them it has not taken.
pub(crate) struct Insistence<'a> {
    packets: &'a [Packet],
    taken: Vec<Taken>,
    left: Vec<usize>,
    patience: Patience,
}

impl<'a> Insistence<'a> {
    pub(crate) fn new(packets: &'a [Packet], limit: Duration) -> Self {
        let taken = vec![Ok(()); packets.len()];
        Self { packets, taken, left: (0..packets.len()).collect(), patience: Patience::new(limit) }
    }

    /// Makes letters of those that are left; what cannot be one is not left.
    pub(crate) fn letters<L>(&mut self, letter: impl Fn(&Packet) -> Result<L, TransportError>) -> Vec<L> {
        let mut letters = Vec::with_capacity(self.left.len());
        self.left.retain(|at| match letter(&self.packets[*at]) {
            Ok(letter) => {
                letters.push(letter);
                true
            }
            Err(error) => {
                self.taken[*at] = Err(error);
                false
            }
        });
        letters
    }

    /// Takes down what became of these letters.
    pub(crate) fn note(&mut self, taken: Vec<Taken>) {
        for (at, taken) in self.left.iter().zip(taken) {
            self.taken[*at] = taken;
        }
        self.left.retain(|at| self.taken[*at].is_err());
    }

    /// Whether one found no queue.
    pub(crate) fn is_unroutable(&self) -> bool {
        let unroutable = |error: &TransportError| error.kind() == ErrorKind::Unroutable;
        self.left.iter().any(|at| self.taken[*at].as_ref().is_err_and(unroutable))
    }

    /// Waits a while if another try may go better for some of them, and leaves only those; `false` if there is nothing more to
    /// do.
    pub(crate) async fn goes_on(&mut self, press: &Press) -> bool {
        let taken = &self.taken;
        self.left.retain(|at| taken[*at].as_ref().is_err_and(|error| press.may_pass(error)));
        !self.left.is_empty() && self.patience.pause().await
    }

    pub(crate) fn end(self) -> Vec<Taken> {
        self.taken
    }
}
