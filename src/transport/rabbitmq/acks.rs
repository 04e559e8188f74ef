//! Tells the server what became of the deliveries of one channel, many at once.
//!
//! `Receipt → Acks (Batcher) → tags.rs plans → basic.nack, basic.ack multiple, basic.ack`

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::time::timeout;

use super::fault::late;
use super::in_order::InOrder;
use super::line::Lane;
use super::press::Taken;
use super::tags::{Plan, Tags, Verdict};
use crate::transport::{Batcher, BoxFuture, ErrorKind, TransportError};

/// How many are settled at a time.
const MOST: usize = 1024;

/// What is lent on a channel. As long as it lives, so does the channel: what was lent can be settled after the source is
/// gone.
pub(super) struct Acks {
    at: Arc<str>,
    lane: Lane,
    batches: Batcher<(u64, Verdict), Taken>,
}

impl Acks {
    pub(super) fn new(at: Arc<str>, lane: Lane, deadline: Duration) -> Self {
        let settler = Arc::new(Settler { at: at.clone(), lane: lane.clone(), deadline, tags: Mutex::default() });
        let batches = Batcher::new(MOST, move |batch: Vec<(u64, Verdict)>| {
            let settler = settler.clone();
            Box::pin(async move { settler.settle(&batch).await })
        });
        Self { at, lane, batches }
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Whether what was lent on it is still ours.
    pub(super) fn are_ours(&self) -> bool {
        self.lane.lives()
    }

    /// Settles one; ready when the server has been told. It does not answer to this.
    pub(super) async fn settle(&self, tag: u64, verdict: Verdict) -> Taken {
        let settled = self.batches.push((tag, verdict)).await;
        settled.unwrap_or_else(|| Err(lost(&self.at)))
    }

    /// As [`settle`](Self::settle), without waiting.
    pub(super) fn settle_soon(&self, tag: u64, verdict: Verdict) {
        drop(self.batches.push((tag, verdict)));
    }
}

/// The connection on which it was lent is gone.
pub(super) fn lost(at: &Arc<str>) -> TransportError {
    let text = "the connection on which it was lent is gone: it comes again";
    TransportError::new(ErrorKind::Lost, at.clone(), text)
}

struct Settler {
    at: Arc<str>,
    lane: Lane,
    deadline: Duration,
    tags: Mutex<Tags>,
}

impl Settler {
    async fn settle(&self, batch: &[(u64, Verdict)]) -> Vec<Taken> {
        if !self.lane.lives() {
            return vec![Err(lost(&self.at)); batch.len()];
        }
        let plan = self.tags.lock().unwrap_or_else(PoisonError::into_inner).plan(batch);
        let mut told = Ok(());
        let tell = InOrder::begin(self.requests(plan)).each(|answer| {
            // The channel is gone then, and nobody knows how far it got.
            if answer.is_err() {
                told = Err(lost(&self.at));
            }
        });
        if timeout(self.deadline, tell).await.is_err() {
            told = Err(late(&self.at, "settle", self.deadline));
        }
        vec![told; batch.len()]
    }

    fn requests(&self, plan: Plan) -> impl Iterator<Item = BoxFuture<'_, lapin::Result<()>>> {
        let ack = |tag, multiple| -> BoxFuture<'_, _> {
            Box::pin(self.lane.channel().basic_ack(tag, BasicAckOptions { multiple }))
        };
        let requeue = |tag| -> BoxFuture<'_, _> {
            Box::pin(self.lane.channel().basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }))
        };
        let up_to = plan.up_to.into_iter().map(move |tag| ack(tag, true));
        plan.requeue.into_iter().map(requeue).chain(up_to).chain(plan.each.into_iter().map(move |tag| ack(tag, false)))
    }
}
