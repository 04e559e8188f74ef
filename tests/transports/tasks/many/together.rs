//! Batches over each database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AtLeast, Batch, BatchOutcome, BatchState, Fault, JobState, TaskQueue, Tasks, Tx};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::transports::outbox::{LONG, until};
use crate::transports::tasks::Base;
use crate::transports::tasks::processes::children::Place;
use crate::transports::tasks::shop::{Register, Registered, Shop};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Task, Serialize, Deserialize)]
struct Report {}

#[derive(Task, Serialize, Deserialize)]
struct Complain {}

#[derive(Task, Serialize, Deserialize)]
struct Outer {
    fails: bool,
}

/// What followed batches, by the batch.
#[derive(Clone, Default)]
struct Followed(Arc<Mutex<BTreeMap<String, Vec<BatchOutcome>>>>);

impl Followed {
    fn note(&self, outcome: BatchOutcome) {
        self.0.lock().unwrap().entry(outcome.id().to_string()).or_default().push(outcome);
    }

    fn behind(&self, batch: &Batch) -> Vec<BatchOutcome> {
        self.0.lock().unwrap().get(&batch.id().to_string()).cloned().unwrap_or_default()
    }

    /// Of those beyond 100 each fails, and those beyond 200 go on.
    fn tasks<B: Base>(&self, shop: &Shop<B>) -> Tasks<B::Database> {
        let (done, not_done) = (self.clone(), self.clone());
        let register = async |user: Arc<Register>| match user.id {
            ..100 => Ok(Registered { id: user.id }),
            100..200 => Err(Fault::new("nobody knows him").code("unknown").permanent()),
            200.. => {
                sleep(HOUR).await;
                Ok(Registered { id: user.id })
            }
        };
        let report = async move |_: Arc<Report>, outcome: BatchOutcome| done.note(outcome);
        let complain = async move |_: Arc<Complain>, outcome: BatchOutcome| not_done.note(outcome);
        shop.tasks().on(register).unwrap().on(report).unwrap().on(complain).unwrap()
    }
}

fn users(ids: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Register> {
    ids.into_iter().map(|id| Register { id })
}

async fn closed(batch: &Batch) -> BatchOutcome {
    batch.wait(LONG).await.unwrap().expect("it closes")
}

pub(in crate::transports::tasks) async fn a_batch_closes_and_one_job_follows_though_workers_are_many<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let first = followed.tasks(&shop).await.unwrap();
    let second = followed.tasks(&shop).named("second").await.unwrap();
    let mut batches = Vec::new();
    for place in 0..20 {
        let ids = [1, 2, 3, if place % 2 == 0 { 4 } else { 104 }, 105];
        let batch = first.together(users(ids)).when(AtLeast(4)).then(Report {}).otherwise(Complain {}).await.unwrap();
        batches.push(batch);
    }
    for (place, batch) in batches.iter().enumerate() {
        let outcome = closed(batch).await;
        let state = if place % 2 == 0 { BatchState::Done } else { BatchState::OutOfReach };
        assert_eq!(outcome.state(), state, "{outcome}");
        assert_eq!(outcome.results::<Registered>().unwrap()[0], Registered { id: 1 });
        if state == BatchState::OutOfReach {
            assert!(outcome.failed().all(|job| job.code() == Some("unknown")), "{outcome:?}");
        }
        until("it is followed", async || !followed.behind(batch).is_empty()).await;
        // What follows was given what everybody sees.
        assert_eq!(followed.behind(batch), [outcome]);
    }
    until("nothing is left", async || {
        let figures = first.figures().await.unwrap();
        figures.waiting + figures.running == 0
    })
    .await;
    first.stop().await;
    second.stop().await;
    assert!(batches.iter().all(|batch| followed.behind(batch).len() == 1));
}

pub(in crate::transports::tasks) async fn a_batch_in_a_transaction_is_there_or_not_at_all<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let queue = shop.base.tasks().await.unwrap();
    let mut tx = shop.base.begin().await;
    let gone = queue.together(users([1, 2])).then(Report {}).within(&mut tx).await.unwrap();
    B::rollback(tx).await;
    let mut tx = shop.base.begin().await;
    let there = queue.together(users([1, 2])).then(Report {}).within(&mut tx).await.unwrap();
    B::commit(tx).await;
    assert_eq!(queue.figures().await.unwrap().waiting, 2);
    let tasks = followed.tasks(&shop).await.unwrap();
    assert!(closed(&there).await.is_done());
    until("it is followed", async || !followed.behind(&there).is_empty()).await;
    assert!(gone.status().await.unwrap().is_none());
    tasks.stop().await;
}

async fn outer<B: Base>(
    outer: Arc<Outer>,
    mut tx: Tx<B::Database>,
    queue: TaskQueue<B::Database>,
) -> Result<(), Fault> {
    let begun = tx.begin().await?;
    queue.together(users([1, 2])).then(Report {}).within(begun).await?;
    match outer.fails {
        true => Err(Fault::new("an unlucky batch").permanent()),
        false => Ok(()),
    }
}

pub(in crate::transports::tasks) async fn a_batch_is_made_in_the_transaction_of_a_job<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let tasks = followed.tasks(&shop).on(outer::<B>).unwrap().await.unwrap();
    let outers = [false, true, false].map(|fails| Outer { fails });
    let batch = tasks.together(outers).when(AtLeast(2)).then(Report {}).await.unwrap();
    let outcome = closed(&batch).await;
    assert!(outcome.is_done(), "{outcome}");
    // Two were made, and that of the job that has failed was not.
    until("all are followed", async || followed.0.lock().unwrap().len() >= 3).await;
    until("nothing is left", async || {
        let figures = tasks.figures().await.unwrap();
        figures.waiting + figures.running == 0
    })
    .await;
    tasks.stop().await;
    assert_eq!(followed.0.lock().unwrap().values().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
}

pub(in crate::transports::tasks) async fn a_job_that_was_there_already_is_waited_for<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let queue = shop.base.tasks().await.unwrap();
    // Those beyond a thousand are there once; nobody does this one for now.
    let before = queue.enqueue(Register { id: 2_000 }).await.unwrap();
    let batch = queue.together(users([1, 2_000])).when(AtLeast(1)).await.unwrap();
    let both = queue.together(users([2_000])).and(users([1])).await.unwrap();
    let tasks = followed.tasks(&shop).grace(Duration::from_millis(20)).await.unwrap();
    let outcome = closed(&batch).await;
    assert_eq!((outcome.jobs()[1].id(), outcome.jobs()[1].was_there()), (before.id(), true));
    assert!(outcome.jobs()[1].is_missing());
    // It knows of no batch, and what has become of it is seen nevertheless.
    before.cancel().await.unwrap();
    let outcome = closed(&both).await;
    assert_eq!((outcome.state(), outcome.jobs()[0].code()), (BatchState::OutOfReach, Some("cancelled")));
    tasks.stop().await;
}

pub(in crate::transports::tasks) async fn at_its_deadline_a_batch_names_who_is_missing<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let queue = shop.base.tasks().await.unwrap();
    let batch = queue.together(users([1, 2])).deadline(Duration::from_millis(300)).otherwise(Complain {});
    let batch = batch.await.unwrap();
    let complain = {
        let followed = followed.clone();
        async move |_: Arc<Complain>, outcome: BatchOutcome| followed.note(outcome)
    };
    // A worker that does none of its jobs.
    let tasks = shop.tasks().on(complain).unwrap().await.unwrap();
    let outcome = closed(&batch).await;
    assert_eq!((outcome.state(), outcome.missing().count()), (BatchState::TimedOut, 2));
    until("it is followed", async || followed.behind(&batch) == [outcome.clone()]).await;
    tasks.stop().await;
}

pub(in crate::transports::tasks) async fn a_batch_that_is_cancelled_ends_its_jobs<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let tasks = followed.tasks(&shop).grace(Duration::from_millis(20)).await.unwrap();
    let batch = tasks.together(users([1, 201, 202])).otherwise(Complain {}).await.unwrap();
    until("one is done", async || batch.status().await.unwrap().unwrap().succeeded() == 1).await;
    assert_eq!(tasks.batch(batch.id()).cancel().await.unwrap(), Some(BatchState::Cancelled));
    let outcome = closed(&batch).await;
    assert_eq!((outcome.succeeded().count(), outcome.missing().count()), (1, 2));
    for job in outcome.missing() {
        let job = tasks.job(job.id()).wait(LONG).await.unwrap().unwrap();
        assert_eq!(job.state(), JobState::Cancelled);
    }
    until("it is followed", async || followed.behind(&batch) == [outcome.clone()]).await;
    tasks.stop().await;
}

/// As a worker of a version that knows no batches ends them, and as somebody who deletes rows.
pub(in crate::transports::tasks) async fn what_nobody_tells_a_batch_is_seen_all_the_same<B: Place>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let queue = shop.base.tasks().await.unwrap();
    let done = queue.together(users([1, 2])).then(Report {}).await.unwrap();
    let failed = queue.together(users([1, 102])).await.unwrap();
    shop.base.sql("UPDATE convoke_job SET cause = NULL").await;
    let gone = queue.together(users([1, 202])).when(AtLeast(2)).otherwise(Complain {}).await.unwrap();
    let id = gone.status().await.unwrap().unwrap().missing().nth(1).unwrap().id();
    shop.base.sql(&format!("DELETE FROM convoke_job WHERE id = {id}")).await;
    let tasks = followed.tasks(&shop).await.unwrap();
    let outcome = closed(&done).await;
    assert_eq!(outcome.results::<Registered>().unwrap(), [1, 2].map(|id| Registered { id }));
    let outcome = closed(&failed).await;
    assert_eq!((outcome.state(), outcome.jobs()[1].code()), (BatchState::OutOfReach, Some("failed")));
    let outcome = closed(&gone).await;
    assert_eq!((outcome.state(), outcome.jobs()[1].code()), (BatchState::OutOfReach, Some("gone")));
    until("they are followed", async || followed.0.lock().unwrap().len() == 2).await;
    tasks.stop().await;
}

pub(in crate::transports::tasks) async fn a_batch_of_a_thousand_is_done<B: Base>() {
    let (shop, followed) = (Shop::<B>::new().await, Followed::default());
    let tasks = followed.tasks(&shop).await.unwrap();
    let start = std::time::Instant::now();
    let batch = tasks.together(users((0..1_000).map(|place| place % 100))).then(Report {}).await.unwrap();
    let outcome = closed(&batch).await;
    println!("figure: a batch of 1000 jobs was done in {:?}", start.elapsed());
    assert_eq!((outcome.state(), outcome.succeeded().count()), (BatchState::Done, 1_000));
    assert_eq!(outcome.results::<Registered>().unwrap().len(), 1_000);
    until("it is followed", async || followed.behind(&batch) == [outcome.clone()]).await;
    tasks.stop().await;
}
