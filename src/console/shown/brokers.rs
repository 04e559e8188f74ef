//! The brokers of this process, asked with a time limit.
//!
//! `Inspect → Slot → BrokerShown: the snapshot, its age, and for how long the broker has not answered`

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use convoke::rounds::{BrokerError, BrokerSnapshot};

use super::slot::Slot;

/// Asks a broker, of whatever payload.
pub(super) type Asking = Arc<dyn Fn() -> Answer + Send + Sync>;

type Answer = Pin<Box<dyn Future<Output = Result<BrokerSnapshot, BrokerError>>>>;

type Snapshot = Result<BrokerSnapshot, String>;

/// What is known of each broker.
#[derive(Default)]
pub(super) struct Brokers {
    slots: Mutex<HashMap<Arc<str>, Arc<Slot<Snapshot>>>>,
}

/// A broker as it has answered last.
#[derive(Debug)]
pub(crate) struct BrokerShown {
    pub(crate) name: Arc<str>,
    /// What it has said, or why it says nothing; `None` if it has not answered yet.
    pub(crate) answer: Option<Arc<Snapshot>>,
    /// How old that is.
    pub(crate) age: Duration,
    /// For how long it has not answered, if it was asked.
    pub(crate) late: Option<Duration>,
}

impl Brokers {
    /// All of them, asked at the same time.
    pub(super) async fn look(&self, brokers: &[(Arc<str>, Asking)]) -> Vec<BrokerShown> {
        let looks = brokers.iter().map(|(name, asking)| {
            let slot = {
                let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
                slots.entry(name.clone()).or_default().clone()
            };
            let (name, asking) = (name.clone(), asking.clone());
            let look: Pin<Box<dyn Future<Output = BrokerShown>>> = Box::pin(async move {
                let ask = move || async move { asking().await.map_err(|error| error.to_string()) };
                let known = slot.look(ask).await;
                BrokerShown { name, answer: known.answer, age: known.age, late: known.late }
            });
            look
        });
        together(looks.collect()).await
    }
}

/// All of these, in their order.
async fn together<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T>>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut is_ready = true;
        for (future, done) in futures.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *done = Some(value),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
