//! How long a publish tries a server that cannot be reached: as long as a restart takes.
//!
//! `nobody could be reached → Patience: a pause → once more, until the time is over`

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::press::{Press, Taken};
use crate::transport::{ErrorKind, Packet, TransportError};

/// For how long it is tried, unless the application says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The first pause and the longest, each of the others twice the one before.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// For how long a server that was away a moment ago may know no queue for what is published: its listener is there before all
/// its bindings and the leaders of its quorum queues are.
const SETTLING: Duration = Duration::from_secs(10);

/// One publish, from its first try on.
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, pause: FIRST }
    }

    /// Waits for a while; `false` if the time is over, or would be.
    pub(super) async fn pause(&mut self) -> bool {
        if Instant::now() + self.pause >= self.until {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}

/// Packets on their way to the server, and which of them it has not taken.
pub(super) struct Insistence<'a> {
    packets: &'a [Packet],
    taken: Vec<Taken>,
    left: Vec<usize>,
    patience: Patience,
    /// When the server was away last.
    away: Option<Instant>,
}

impl<'a> Insistence<'a> {
    pub(super) fn new(packets: &'a [Packet], limit: Duration) -> Self {
        let taken = vec![Ok(()); packets.len()];
        Self { packets, taken, left: (0..packets.len()).collect(), patience: Patience::new(limit), away: None }
    }

    /// Makes letters of those that are left; what cannot be one is not left.
    pub(super) fn letters<L>(&mut self, letter: impl Fn(&Packet) -> Result<L, TransportError>) -> Vec<L> {
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
    pub(super) fn note(&mut self, taken: Vec<Taken>) {
        for (at, taken) in self.left.iter().zip(taken) {
            self.taken[*at] = taken;
        }
        self.left.retain(|at| self.taken[*at].is_err());
    }

    /// Whether one found no queue.
    pub(super) fn is_unroutable(&self) -> bool {
        let unroutable = |error: &TransportError| error.kind() == ErrorKind::Unroutable;
        self.left.iter().any(|at| self.taken[*at].as_ref().is_err_and(unroutable))
    }

    /// Waits a while if another try may go better for some of them, and leaves only those; `false` if there is nothing more to
    /// do.
    pub(super) async fn goes_on(&mut self, press: &Press) -> bool {
        let taken = &self.taken;
        if self.left.iter().any(|at| taken[*at].as_ref().is_err_and(|error| may_pass(press, error))) {
            self.away = Some(Instant::now());
        }
        let settles = self.away.is_some_and(|away| away.elapsed() < SETTLING);
        let passes =
            |error: &TransportError| may_pass(press, error) || (settles && error.kind() == ErrorKind::Unroutable);
        self.left.retain(|at| taken[*at].as_ref().is_err_and(passes));
        !self.left.is_empty() && self.patience.pause().await
    }

    pub(super) fn end(self) -> Vec<Taken> {
        self.taken
    }
}

/// Whether another try may go better: the server was not there, or takes nothing for now. What it has looked at and not
/// taken, because a queue is full, is no such thing.
pub(super) fn may_pass(press: &Press, error: &TransportError) -> bool {
    error.kind() == ErrorKind::Unreachable && *error != press.refusal()
}
