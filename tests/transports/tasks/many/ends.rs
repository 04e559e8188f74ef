//! A thousand jobs that are to end: none is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AsReturned, JobState, Task, TaskFailed, TaskTerms};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::transports::outbox::{Taker, until};
use crate::transports::tasks::Base;
use crate::transports::tasks::shop::{Register, Registered, Shop};

const MANY: u64 = 1_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Has so long, and one attempt.
#[derive(Serialize, Deserialize)]
struct Hurried {
    id: u64,
}

impl Task for Hurried {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Hurried";
    const TERMS: TaskTerms = TaskTerms::new().attempts(1).timeout(Duration::from_millis(20));

    fn id(&self) -> Option<serde_json::Value> {
        Some(self.id.into())
    }
}

pub(in crate::transports::tasks) async fn a_thousand_that_are_cancelled_all_end_and_are_told<B: Base>() {
    let shop = Shop::<B>::new().await;
    let outbox = shop.base.outbox("Shop").await.unwrap();
    // Some wait for room, and some run: those end after the grace.
    let goes_on = async |user: Arc<Register>| {
        sleep(HOUR).await;
        Ok::<_, std::io::Error>(Registered { id: user.id })
    };
    let tasks = shop.tasks().outbox(&outbox).concurrency(400).grace(Duration::from_millis(20)).on(goes_on).unwrap();
    let tasks = tasks.await.unwrap();
    let jobs = tasks.enqueue_all((0..MANY).map(|id| Register { id })).await.unwrap();
    until("some run", async || tasks.figures().await.unwrap().running >= 400).await;
    for job in &jobs {
        assert!(job.cancel().await.unwrap().is_some_and(|was| !was.is_over()));
    }
    until("all are told", async || outbox.figures().await.unwrap().ready == MANY).await;
    for job in &jobs {
        assert_eq!(job.status().await.unwrap().unwrap().state(), JobState::Cancelled);
    }
    tasks.stop().await;
    each_is_told_once(&outbox, "cancelled").await;
}

pub(in crate::transports::tasks) async fn a_thousand_that_take_too_long_all_end_and_are_told<B: Base>() {
    let shop = Shop::<B>::new().await;
    let outbox = shop.base.outbox("Shop").await.unwrap();
    let hangs = async |_: Arc<Hurried>| sleep(HOUR).await;
    let tasks = shop.tasks().outbox(&outbox).concurrency(100).grace(Duration::from_millis(10)).on(hangs).unwrap();
    let tasks = tasks.await.unwrap();
    let jobs = tasks.enqueue_all((0..MANY).map(|id| Hurried { id })).await.unwrap();
    until("all are told", async || outbox.figures().await.unwrap().ready == MANY).await;
    for job in &jobs {
        assert_eq!(job.status().await.unwrap().unwrap().state(), JobState::Failed);
    }
    tasks.stop().await;
    each_is_told_once(&outbox, "timed_out").await;
}

async fn each_is_told_once<D: convoke::TaskDatabase>(outbox: &convoke::Outbox<D>, code: &str) {
    let taker = Taker::new();
    let relay = outbox.relay(Route::new("**", taker.clone())).supervised(&EventBus::default()).await.unwrap();
    until("all have left", async || outbox.figures().await.unwrap().ready == 0).await;
    relay.stop().await;
    let mut told = BTreeMap::<u64, u32>::new();
    for envelope in taker.envelopes() {
        assert_eq!(envelope.payload["code"], code);
        *told.entry(envelope.payload["id"].as_u64().unwrap()).or_default() += 1;
    }
    assert_eq!(told, (0..MANY).map(|id| (id, 1)).collect());
}
