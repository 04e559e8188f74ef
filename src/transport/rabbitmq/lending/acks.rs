//! Tells the server what became of the deliveries of one channel, many at once.
//!
//! `Receipt → Acks (Batcher) → tags.rs plans → basic.nack, basic.ack multiple, basic.ack`

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::super::link::{GONE, InOrder, Lane, TAKEN_BACK, Taken, late, reason};
use super::super::{Desk, declare};
use super::feed::{End, Feed};
use super::tags::{Plan, Tags, Verdict};
use crate::transport::{Batcher, BoxFuture, ErrorKind, TransportError};

/// How many are settled at a time.
const MOST: usize = 1024;

/// What closes a channel that is in order.
const GOODBYE: u16 = 200;

/// What is lent on a channel. As long as it lives, so does the channel: what was lent can be settled after the source is
/// gone.
pub(crate) struct Acks {
    tenure: Arc<Tenure>,
    batches: Batcher<(u64, Verdict), Taken>,
}

/// Whether what was lent on a channel is still ours, and if not, why.
struct Tenure {
    desk: Arc<Desk>,
    lane: Lane,
    /// What is being sent on it, as long as somebody receives.
    feed: Mutex<Weak<Feed>>,
    is_over: AtomicBool,
    why: OnceCell<String>,
}

impl Acks {
    pub(crate) fn new(desk: Arc<Desk>, lane: Lane) -> Self {
        let deadline = desk.deadline;
        let is_over = AtomicBool::new(false);
        let tenure = Arc::new(Tenure { desk, lane, feed: Mutex::default(), is_over, why: OnceCell::new() });
        let settler = Arc::new(Settler { tenure: tenure.clone(), deadline, tags: Mutex::default() });
        let batches = Batcher::new(MOST, move |batch: Vec<(u64, Verdict)>| {
            let settler = settler.clone();
            Box::pin(async move { settler.settle(&batch).await })
        });
        Self { tenure, batches }
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.tenure.lane
    }

    /// Says what is being sent on the channel from now on: how that ends says what becomes of what was lent.
    pub(crate) fn watch(&self, feed: &Arc<Feed>) {
        *self.tenure.feed.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(feed);
    }

    /// Whether what was lent on it is still ours.
    pub(crate) fn are_ours(&self) -> bool {
        self.tenure.holds()
    }

    /// Returns that it is not, and why.
    pub(crate) async fn lost(&self) -> TransportError {
        self.tenure.lost().await
    }

    /// Returns why it is not.
    pub(crate) async fn why(&self) -> &str {
        self.tenure.why().await
    }

    /// Settles one; ready when the server has been told. It does not answer to this.
    pub(crate) async fn settle(&self, tag: u64, verdict: Verdict) -> Taken {
        match self.batches.push((tag, verdict)).await {
            Some(settled) => settled,
            None => Err(self.lost().await),
        }
    }
}

impl Tenure {
    fn feed(&self) -> Option<Arc<Feed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Looks how things stand. A server that has ended the consumer has taken back what it had lent to it. It keeps the
    /// channel open, takes what is settled there without a word and does nothing about it, and may even send more: so we close
    /// the channel, and what it still counts as ours goes to others too.
    fn holds(&self) -> bool {
        if self.is_over.load(Ordering::Acquire) || !self.lane.lives() {
            return false;
        }
        if !self.feed().is_some_and(|feed| matches!(feed.end(), Some(End::Theirs))) {
            return true;
        }
        if !self.is_over.swap(true, Ordering::AcqRel) && tokio::runtime::Handle::try_current().is_ok() {
            let channel = self.lane.channel().clone();
            tokio::spawn(async move {
                // It ends with the connection at the latest.
                let _ = channel.close(GOODBYE, "the consumer was cancelled".into()).await;
            });
        }
        false
    }

    async fn lost(&self) -> TransportError {
        let text = format!("{}: it comes again", self.why().await);
        TransportError::new(ErrorKind::Lost, self.desk.at.clone(), text)
    }

    /// Finds out once why it is lost, where need be by a question to the server.
    async fn why(&self) -> &str {
        let found = self.why.get_or_init(|| async {
            let Desk { at, recipe, line, deadline, .. } = &*self.desk;
            match self.feed().and_then(|feed| feed.end()) {
                Some(End::Fault(error)) => reason(&error),
                Some(End::Theirs) if self.is_over.load(Ordering::Acquire) => {
                    match declare::find(at, line, &recipe.queue, *deadline).await {
                        Ok(None) => format!("the queue `{}` was deleted", recipe.queue),
                        _ => TAKEN_BACK.to_owned(),
                    }
                }
                _ => GONE.to_owned(),
            }
        });
        found.await
    }
}

struct Settler {
    tenure: Arc<Tenure>,
    deadline: Duration,
    tags: Mutex<Tags>,
}

impl Settler {
    async fn settle(&self, batch: &[(u64, Verdict)]) -> Vec<Taken> {
        let plan = self.tags.lock().unwrap_or_else(PoisonError::into_inner).plan(batch);
        let mut was_told = self.tenure.holds();
        if was_told {
            let tell = InOrder::begin(self.requests(plan)).each(|answer| was_told &= answer.is_ok());
            if timeout(self.deadline, tell).await.is_err() {
                return vec![Err(late(&self.tenure.desk.at, "settle", self.deadline)); batch.len()];
            }
        }
        // What has gone meanwhile: nobody knows how far it got.
        if was_told && self.tenure.holds() {
            return vec![Ok(()); batch.len()];
        }
        vec![Err(self.tenure.lost().await); batch.len()]
    }

    fn requests(&self, plan: Plan) -> impl Iterator<Item = BoxFuture<'_, lapin::Result<()>>> {
        let ack = |tag, multiple| -> BoxFuture<'_, _> {
            Box::pin(self.tenure.lane.channel().basic_ack(tag, BasicAckOptions { multiple }))
        };
        let requeue = |tag| -> BoxFuture<'_, _> {
            Box::pin(self.tenure.lane.channel().basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }))
        };
        let up_to = plan.up_to.into_iter().map(move |tag| ack(tag, true));
        plan.requeue.into_iter().map(requeue).chain(up_to).chain(plan.each.into_iter().map(move |tag| ack(tag, false)))
    }
}
