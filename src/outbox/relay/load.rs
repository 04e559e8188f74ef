//! What leaves together by one way: of a key one after the other, as far as the server takes them.
//!
//! `rows, packets → Load::leave → Publisher → of each: taken, refused for good, or not yet`

use std::time::Duration;

use tokio::select;
use tokio::time::sleep;

use super::way::Way;
use crate::__private::Shown;
use crate::route::Lines;
use crate::transport::{ErrorKind, Packet, TransportError, caught};

/// What became of a row by one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Taken,
    /// For good, for this reason.
    Refused(String),
}

/// A row on its way.
struct Leaver {
    /// Its place in the batch.
    row: usize,
    key: Option<String>,
    packet: Packet,
}

/// What is to leave by one way.
pub(super) struct Load<'a> {
    way: &'a Way,
    leavers: Vec<Leaver>,
}

/// What came of one attempt.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) left: Vec<(usize, Left)>,
    /// Why some have not left yet.
    pub(super) trouble: Option<TransportError>,
}

impl<'a> Load<'a> {
    pub(super) fn new(way: &'a Way) -> Self {
        Self { way, leavers: Vec::new() }
    }

    pub(super) fn push(&mut self, row: usize, key: Option<String>, packet: Packet) {
        self.leavers.push(Leaver { row, key, packet });
    }

    /// Keeps those rows alone that are still to leave.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(usize) -> bool) {
        self.leavers.retain(|leaver| is_wanted(leaver.row));
    }

    /// How long is waited before it is tried again.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        self.way.terms.retry.wait(attempt, crate::__private::random())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leavers.is_empty()
    }

    /// Has all leave that are left, once; while `may_go_on` says so.
    pub(super) async fn leave(&mut self, may_go_on: impl Fn() -> bool) -> Attempt {
        let mut leavers = std::mem::take(&mut self.leavers);
        let has_keys = leavers.iter().filter(|leaver| leaver.key.is_some()).nth(1).is_some();
        let mut lines = Lines::default();
        if has_keys && !self.way.outward.publisher.abilities().takes_in_order {
            (leavers, lines) = Lines::of(leavers, |leaver| leaver.key.as_deref());
        }
        let count = leavers.len();
        // A publisher wants its packets in one piece.
        let (packets, rows): (Vec<Packet>, Vec<_>) =
            leavers.into_iter().map(|leaver| (leaver.packet, (leaver.row, leaver.key))).unzip();
        let mut left: Vec<Option<Left>> = vec![None; count];
        let mut trouble = None;
        let mut round: Vec<usize> = (0..lines.first(count)).collect();
        while !round.is_empty() && may_go_on() {
            let results = self.publish(&packets, &round).await.unwrap_or_else(|error| vec![Err(error); round.len()]);
            let mut results = results.into_iter();
            let mut next = Vec::new();
            for place in round {
                let silent = || Err(self.error("it did not say whether it took a packet"));
                match results.next().unwrap_or_else(silent) {
                    Ok(()) => {
                        set(&mut left, place, Left::Taken);
                        next.extend(lines.next(place));
                    }
                    // Those behind it in its line wait, in both cases.
                    Err(error) if may_pass(&error) => _ = trouble.get_or_insert(error),
                    Err(error) => set(&mut left, place, Left::Refused(error.to_string())),
                }
            }
            next.sort_unstable();
            round = next;
        }
        let mut attempt = Attempt { left: Vec::with_capacity(count), trouble };
        let mut again = Vec::new();
        for ((packet, (row, key)), left) in packets.into_iter().zip(rows).zip(left) {
            match left {
                Some(left) => attempt.left.push((row, left)),
                None => again.push(Leaver { row, key, packet }),
            }
        }
        // By turns they were arranged.
        again.sort_unstable_by_key(|leaver| leaver.row);
        self.leavers = again;
        attempt
    }

    /// Publishes some, for no longer than a route waits at all.
    async fn publish(
        &self,
        packets: &[Packet],
        round: &[usize],
    ) -> Result<Vec<Result<(), TransportError>>, TransportError> {
        let publisher = &self.way.outward.publisher;
        let first = round.first().copied().unwrap_or_default();
        let all = first..first + round.len();
        let few: Vec<_>;
        let sent = match packets.get(all.clone()).filter(|_| all.eq(round.iter().copied())) {
            Some(sent) => sent,
            None => {
                few = round.iter().filter_map(|place| packets.get(*place).cloned()).collect();
                &few
            }
        };
        let limit = self.way.terms.timeout.saturating_mul(2).max(Duration::from_secs(1));
        select! {
            biased;
            results = caught(|| publisher.publish(sent)) => {
                results.map_err(|panic| self.error(&format!("panicked: {}", Shown::text(&panic))))
            }
            () = sleep(limit) => Err(self.error(&format!("it has not said within {limit:?} whether it took packets"))),
        }
    }

    /// It is tried again.
    fn error(&self, text: &str) -> TransportError {
        TransportError::new(ErrorKind::Protocol, self.way.name(), text)
    }
}

/// Whether somebody may mend it while the event waits: it says something of the server, and nothing of the event.
fn may_pass(error: &TransportError) -> bool {
    error.is_temporary() || matches!(error.kind(), ErrorKind::Missing | ErrorKind::Closed)
}

fn set(left: &mut [Option<Left>], place: usize, how: Left) {
    if let Some(left) = left.get_mut(place) {
        *left = Some(how);
    }
}
