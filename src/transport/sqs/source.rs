//! The queue as a source.
//!
//! `open → receive: start polls (poll.rs) → groups.rs → Delivery, with a receipt (receipt.rs)`

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::finder::create;
use super::groups::{Groups, Turn};
use super::poll::{Door, Lent, Polled, give_back, give_back_soon, start};
use super::queue::Queue;
use super::receipt::SqsReceipt;
use super::redrive::Redrive;
use super::sqs::Sqs;
use crate::transport::aws::{MAX_BATCH, seconds};
use crate::transport::{Abilities, BoxFuture, Delivery, ErrorKind, Pulse, Source, TransportError};

/// How many polls wait at once, while each of them comes back full.
const MAX_POLLS: usize = 8;

/// How much longer than the server a receive waits that has to ask several times.
const SLACK: Duration = Duration::from_secs(1);

/// What a handle has that is open.
pub(super) struct Subscriber {
    queue: Arc<Queue>,
    pulse: Pulse,
    polls: Vec<oneshot::Receiver<Polled>>,
    /// For what the polls bring.
    door: Arc<Door>,
    /// How many polls there may be at once.
    width: usize,
    groups: Arc<Groups>,
}

impl Subscriber {
    fn new(queue: Arc<Queue>, pulse: Pulse) -> Self {
        Self { queue, pulse, polls: Vec::new(), door: Arc::default(), width: 1, groups: Arc::default() }
    }

    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let end = Instant::now() + self.queue.wait + SLACK;
        let mut again = false;
        if self.door.unlock() {
            // Those that have ended meanwhile have brought nothing that is to be handed out; those that are open go on.
            while next(&mut self.polls).is_some() {}
        }
        loop {
            let ready = self.ready(most).await;
            if !ready.is_empty() {
                return Ok(ready);
            }
            let polls = self.width.min((most / MAX_BATCH).max(1));
            while self.polls.len() < polls {
                let (queue, pulse, door) = (self.queue.clone(), self.pulse.clone(), self.door.clone());
                self.polls.push(start(queue, pulse, door, most.min(MAX_BATCH)));
            }
            tokio::select! {
                biased;
                () = self.groups.news.notified() => {}
                polled = first(&mut self.polls) => {
                    let count = self.arrive(polled)?;
                    while let Some(polled) = next(&mut self.polls) {
                        self.arrive(polled)?;
                    }
                    if count == 0 && self.polls.is_empty() {
                        return Ok(Vec::new());
                    }
                }
                // The first polls end by themselves; later ones go on without us.
                () = tokio::time::sleep_until(end), if again => return Ok(Vec::new()),
            }
            again = true;
        }
    }

    fn arrive(&mut self, polled: Polled) -> Result<usize, TransportError> {
        let lent = polled?;
        let count = lent.len();
        // Where there is more than one poll brings, several bring more; where there is not, they cost.
        self.width = if count == MAX_BATCH { (self.width * 2).min(MAX_POLLS) } else { 1 };
        self.groups.arrive(lent);
        Ok(count)
    }

    /// Returns what can be handed out at once, with half of its lease at least.
    async fn ready(&mut self, most: usize) -> Vec<Delivery> {
        let ageing = self.groups.ageing(most, self.queue.lease);
        if !ageing.is_empty() {
            self.extend(ageing).await;
        }
        let (taken, gone) = self.groups.take(most);
        give_back_soon(&self.queue, gone);
        taken.into_iter().map(|lent| self.delivery(lent)).collect()
    }

    /// Has these lent for as long as if they came now; those for which that fails are no longer ours.
    async fn extend(&self, handles: Vec<String>) {
        let (queue, now) = (&self.queue, Instant::now());
        let ask = |handle: &String| queue.changes.push(&queue.name, (handle.clone(), seconds(queue.lease)));
        let asked: Vec<_> = handles.iter().map(ask).collect();
        let (mut ours, mut lost) = (Vec::new(), Vec::new());
        for (handle, extended) in handles.into_iter().zip(join_all(asked).await) {
            if extended.is_ok() { ours.push(handle) } else { lost.push(handle) }
        }
        self.groups.extended(&ours, now + queue.lease);
        self.groups.extended(&lost, now);
    }

    fn delivery(&self, lent: Lent) -> Delivery {
        let queue = self.queue.clone();
        let (left, until, attempt) = (lent.left(), lent.until, queue.unseen.attempt(&lent.message, lent.receipts));
        let turn = lent.group.map(|group| Turn::new(queue.clone(), self.groups.clone(), group, lent.line));
        let name = queue.name.clone();
        let (handle, message, received, pulse) = (lent.handle, lent.message, lent.received, self.pulse.clone());
        let receipt = SqsReceipt { queue, pulse, handle, message, received, until, turn };
        Delivery::new(name, lent.packet, attempt, receipt).with_lease(left)
    }

    /// Gives back all that nobody has, and has the polls that are open give back what they get, until the next receive.
    async fn stop(&mut self) -> Result<(), TransportError> {
        self.door.shut();
        let mut lent = self.groups.clear();
        while let Some(polled) = next(&mut self.polls) {
            lent.extend(polled.unwrap_or_default());
        }
        give_back(&self.queue, lent).await
    }

    /// Ends it, when the last poll that is open has ended, and what it has brought has gone back: what SQS lends to a
    /// process that is gone comes after its lease. Dropped meanwhile, it leaves that to the tasks of the polls.
    async fn close(mut self) {
        // It is told there.
        let _ = self.stop().await;
        while !self.polls.is_empty() {
            // An error has brought nothing.
            let _ = first(&mut self.polls).await;
        }
    }

    /// Waits no longer for the polls that are open: where one connection was dead, theirs may be too, and each would be
    /// another error. What they bring goes back as it comes.
    fn leave_polls(&mut self) {
        for mut poll in std::mem::take(&mut self.polls) {
            // From here on its task is told that nobody listens, and what it has said before is there.
            poll.close();
            if let Ok(Ok(there)) = poll.try_recv() {
                self.groups.arrive(there);
            }
        }
    }

    /// Takes out all that nobody has; the polls that are not done give back what they get.
    fn end(&mut self) -> Vec<Lent> {
        self.leave_polls();
        self.groups.clear()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let lent = self.end();
        give_back_soon(&self.queue, lent);
    }
}

/// Waits for the first poll that is done.
async fn first(polls: &mut Vec<oneshot::Receiver<Polled>>) -> Polled {
    poll_fn(|cx| {
        for at in 0..polls.len() {
            if let Poll::Ready(polled) = Pin::new(&mut polls[at]).poll(cx) {
                drop(polls.swap_remove(at));
                // Its runtime is gone, and with it the request.
                return Poll::Ready(polled.unwrap_or_else(|_| Ok(Vec::new())));
            }
        }
        Poll::Pending
    })
    .await
}

/// Returns a poll that is done already.
fn next(polls: &mut Vec<oneshot::Receiver<Polled>>) -> Option<Polled> {
    for at in 0..polls.len() {
        match polls[at].try_recv() {
            Ok(polled) => {
                drop(polls.swap_remove(at));
                return Some(polled);
            }
            Err(oneshot::error::TryRecvError::Empty) => {}
            Err(oneshot::error::TryRecvError::Closed) => {
                drop(polls.swap_remove(at));
                return Some(Ok(Vec::new()));
            }
        }
    }
    None
}

impl Source for Sqs {
    fn name(&self) -> &str {
        &self.queue.name
    }

    fn abilities(&self) -> Abilities {
        self.queue.abilities()
    }

    fn attempts(&mut self, most: u32) {
        self.attempts = Some(most);
    }

    fn open(&mut self, _prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        use QueueAttributeName::{ApproximateNumberOfMessages, RedrivePolicy};
        Box::pin(async move {
            let queue = &self.queue;
            let policy = match queue.attributes(&[ApproximateNumberOfMessages, RedrivePolicy]).await {
                Ok(mut there) => there.remove(&RedrivePolicy).and_then(|policy| Redrive::read(&policy)),
                Err(error) => match (error.kind(), &queue.create) {
                    (ErrorKind::Missing, Some(attributes)) => {
                        create(&queue.clients, &queue.name, &queue.label, attributes).await?;
                        queue.redrive.clone()
                    }
                    // Who may receive need not have the right to ask.
                    (ErrorKind::Denied, _) if error.to_string().contains("AccessDenied") => {
                        log::debug!(target: "convoke::transport", "{error}");
                        None
                    }
                    _ => return Err(error),
                },
            };
            self.pulse.beat();
            if let (Some(policy), Some(attempts)) = (policy, self.attempts) {
                queue.allow_attempts(policy, attempts).await?;
            }
            match &mut self.subscriber {
                Some(subscriber) => subscriber.leave_polls(),
                None => self.subscriber = Some(Subscriber::new(self.queue.clone(), self.pulse.clone())),
            }
            Ok(())
        })
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            match &mut self.subscriber {
                Some(subscriber) => subscriber.receive(most.max(1)).await,
                None => {
                    let text = "it is not open: call `open` before the first `receive`";
                    Err(TransportError::new(ErrorKind::Closed, self.queue.name.clone(), text))
                }
            }
        })
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            match &mut self.subscriber {
                Some(subscriber) => subscriber.stop().await,
                None => Ok(()),
            }
        })
    }

    fn pulse(&self) -> Option<Pulse> {
        Some(self.pulse.clone())
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed};
        Box::pin(async move {
            let names = [ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed];
            let there = self.queue.attributes(&names).await?;
            let counts = names.iter().filter_map(|name| there.get(name)?.parse::<u64>().ok());
            Ok(counts.reduce(|all, count| all + count))
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            if let Some(subscriber) = self.subscriber.take() {
                subscriber.close().await;
            }
            Ok(())
        })
    }
}
