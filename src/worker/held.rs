//! A delivery whose lease is kept while something is done with it.
//!
//! `Delivery → Held ─ through(work): extend, extend, … → Done | Hurried | Lost`

use std::pin::{Pin, pin};

use tokio::select;
use tokio::time::{Instant, sleep};

use super::engine::Shared;
use super::handling::Verdict;
use crate::transport::{Delivery, ErrorKind};

/// A delivery whose lease is kept.
pub(crate) struct Held {
    /// In a place of its own: it is moved from future to future.
    pub(crate) delivery: Box<Delivery>,
    /// Whether it stays in its place should it die.
    pub(crate) parks: bool,
    /// Since when its lease runs.
    since: Instant,
}

/// How that ended for which a delivery was held.
pub(crate) enum Through<T> {
    Done(T),
    /// Nothing is to be waited for any more.
    Hurried,
    /// The delivery is no longer ours.
    Lost,
}

impl Held {
    pub(crate) fn new(delivery: Box<Delivery>, parks: bool) -> Self {
        // Its lease runs from when the server has lent it, a little before it was here.
        let now = Instant::now();
        Self { since: now.checked_sub(delivery.age()).unwrap_or(now), delivery, parks }
    }

    /// Keeps the lease while this is waited for that comes before it is heard. How it is to end instead, if it may not begin:
    /// what is given back then goes to others.
    pub(crate) async fn may<T>(
        &mut self,
        shared: &Shared,
        is_alone: bool,
        wait: impl Future<Output = Option<T>>,
    ) -> Result<T, Verdict> {
        let gate = &shared.gate;
        let wait = pin!(async {
            let may = select! {
                biased;
                () = gate.closed(is_alone) => None,
                may = wait => may,
            };
            if may.is_none() {
                gate.lends_no_more(is_alone).await;
            }
            may
        });
        match self.through(shared, wait).await {
            Through::Done(Some(may)) => Ok(may),
            Through::Done(None) | Through::Hurried => Err(Verdict::Release),
            Through::Lost => Err(Verdict::Lost),
        }
    }

    /// Keeps the lease while this is done. Who wants to see its end all the same may wait for it.
    pub(crate) async fn through<T>(
        &mut self,
        shared: &Shared,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Through<T> {
        let mut hurried = pin!(shared.hurried.raised());
        let Some(lease) = self.delivery.lease() else {
            return select! {
                biased;
                done = &mut work => Through::Done(done),
                () = &mut hurried => Through::Hurried,
            };
        };
        let mut wait = (lease / 2).saturating_sub(self.since.elapsed());
        loop {
            select! {
                biased;
                done = &mut work => return Through::Done(done),
                () = &mut hurried => return Through::Hurried,
                () = sleep(wait) => {}
            }
            let asked = Instant::now();
            let extended = select! {
                biased;
                done = &mut work => return Through::Done(done),
                () = &mut hurried => return Through::Hurried,
                extended = self.delivery.extend(lease) => extended,
            };
            wait = match extended {
                Ok(()) => {
                    self.since = asked;
                    lease / 2
                }
                Err(error) if error.kind() == ErrorKind::Lost => {
                    log::warn!(target: "convoke::worker", "{error}: somebody else may be at work on it too");
                    return Through::Lost;
                }
                Err(error) => {
                    log::warn!(target: "convoke::worker", "{error}: its lease is tried to be extended again");
                    lease / 8
                }
            };
        }
    }
}
