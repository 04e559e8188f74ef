//! What is done, and what is told of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{Fault, JobState, Steps, TaskDatabase, TaskProgress, TaskQueue, Tasks, Tx};

use super::Base;
use super::shop::{Register, Registered, Shop, Sweep, ended, register};
use crate::transports::outbox::until;

pub(super) async fn what_a_function_returns_is_told_once_and_is_its_result<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 1));
    assert_eq!(status.result::<Registered>().unwrap(), Some(Registered { id: 7 }));
    assert_eq!(shop.hears(1).await, [("Registered".to_owned(), serde_json::json!({"id": 7}))]);
    tasks.stop().await;
    assert_eq!(shop.heard().len(), 1);
}

/// Stands for a row of the application: a job that is enqueued by the transaction.
async fn writes<B: Base>(
    user: Arc<Register>,
    mut tx: Tx<B::Database>,
    queue: TaskQueue<B::Database>,
) -> Result<Registered, Fault> {
    let begun = tx.begin().await?;
    let _ = queue.enqueue(Sweep { tenant: 1, place: 1 }).within(begun).await?;
    if user.id == 13 {
        return Err(Fault::new("an unlucky number").permanent());
    }
    Ok(Registered { id: user.id })
}

pub(super) async fn what_a_function_writes_commits_with_the_end_or_not_at_all<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().on(writes::<B>).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 13 }).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Failed);
    assert_eq!(tasks.figures().await.unwrap().waiting, 0);
    tasks.stop().await;
}

pub(super) async fn what_it_enqueues_in_its_transaction_is_there_with_its_end<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().on(writes::<B>).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    assert_eq!(tasks.figures().await.unwrap().waiting, 1);
    shop.hears(1).await;
    tasks.stop().await;
}

pub(super) async fn how_far_it_is_can_be_seen<B: Base>() {
    let shop = Shop::<B>::new().await;
    let goes_on = Arc::new(tokio::sync::Notify::new());
    let waits = goes_on.clone();
    let slow = async move |user: Arc<Register>, progress: TaskProgress| {
        progress.fraction(0.5);
        progress.text("half way");
        waits.notified().await;
        Ok::<_, std::io::Error>(Registered { id: user.id })
    };
    let tasks = shop.tasks().on(slow).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    until("it is half way", async || {
        let status = job.status().await.unwrap().unwrap();
        status.progress() == (Some("half way"), Some(0.5))
    })
    .await;
    goes_on.notify_one();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
}

/// Of a database that does not take how far a function is, while `holds` has it so.
pub(super) async fn a_function_goes_on_meanwhile<B: Base, H>(
    db: &B::Database,
    bus: &EventBus,
    holds: impl AsyncFnOnce() -> H,
) {
    let (begins, ends) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let beats = Arc::new(AtomicU32::new(0));
    let slow = {
        let (begins, ends, beats) = (begins.clone(), ends.clone(), beats.clone());
        async move |_: Arc<Register>, progress: TaskProgress| {
            beats.store(1, Ordering::Relaxed);
            begins.notified().await;
            progress.fraction(0.5);
            let beat = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    beats.fetch_add(1, Ordering::Relaxed);
                }
            };
            tokio::select! {
                () = ends.notified() => Ok::<_, std::io::Error>(Registered { id: 7 }),
                () = beat => unreachable!(),
            }
        }
    };
    let tasks = Tasks::new(db, bus).on(slow).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    until("it has begun", async || beats.load(Ordering::Relaxed) > 0).await;
    let held = holds().await;
    begins.notify_one();
    // A second and more: what it says is being written since the first of these.
    until("it goes on", async || beats.load(Ordering::Relaxed) > 150).await;
    drop(held);
    until("it is half way", async || {
        job.status().await.is_ok_and(|status| status.is_some_and(|status| status.progress() == (None, Some(0.5))))
    })
    .await;
    ends.notify_one();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
}

pub(super) async fn a_step_is_done_once_however_often_it_is_tried<B: Base>() {
    let shop = Shop::<B>::new().await;
    let charged = Arc::new(AtomicU32::new(0));
    let counts = charged.clone();
    let charge = async move |user: Arc<Register>, steps: Steps| {
        let charge = async { Ok::<_, Fault>(counts.fetch_add(1, Ordering::Relaxed) + 41) };
        let receipt: u32 = steps.step("charged", charge).await?;
        assert_eq!(receipt, 41);
        match steps.step("tried", async { Err::<u32, _>(Fault::new("no")) }).await {
            Err(error) if user.id == 7 => Err(error),
            _ => Ok::<_, Fault>(Registered { id: user.id }),
        }
    };
    let tasks = shop.tasks().on(charge).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 2));
    assert_eq!(charged.load(Ordering::Relaxed), 1);
    tasks.stop().await;
}

pub(super) async fn what_is_not_kept_is_gone<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().keep(Duration::ZERO).on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    shop.hears(1).await;
    assert!(job.status().await.unwrap().is_none());
    tasks.stop().await;
}

pub(super) async fn an_outbox_of_the_application_gets_the_events<B: Base>() {
    let shop = Shop::<B>::new().await;
    let outbox = shop.base.outbox("Shop").await.unwrap();
    let tasks = shop.tasks().outbox(&outbox).on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    ended(&job).await;
    tasks.stop().await;
    assert_eq!(outbox.figures().await.unwrap().ready, 1);
    assert!(shop.heard().is_empty());
}

pub(super) async fn two_workers_do_each_job_once<B: Base>() {
    let shop = Shop::<B>::new().await;
    let outbox = shop.base.outbox("Shop").await.unwrap();
    let done = Arc::<Mutex<Vec<u64>>>::default();
    let noted = done.clone();
    let note = async move |user: Arc<Register>| {
        noted.lock().unwrap().push(user.id);
        tokio::task::yield_now().await;
        Ok::<_, Failure>(Registered { id: user.id })
    };
    let first = shop.tasks().named("first").outbox(&outbox).on(note.clone()).unwrap().await.unwrap();
    let second = shop.tasks().named("second").outbox(&outbox).on(note).unwrap().await.unwrap();
    first.enqueue_all((0..500).map(|id| Register { id })).await.unwrap();
    until("all are told", async || outbox.figures().await.unwrap().ready == 500).await;
    first.stop().await;
    second.stop().await;
    let mut done = done.lock().unwrap().clone();
    done.sort_unstable();
    assert_eq!(done, (0..500).collect::<Vec<_>>());
    assert_eq!(outbox.figures().await.unwrap().ready, 500);
}

/// Each job has the only connection until it ends.
pub(super) async fn a_pool_of_one_is_enough<D: TaskDatabase>(db: &D) {
    let begins = async |_: Arc<Register>, mut tx: Tx<D>| -> Result<(), Fault> {
        tx.begin().await?;
        tokio::task::yield_now().await;
        Ok(())
    };
    let tasks = Tasks::new(db, &EventBus::default()).on(begins).unwrap().await.unwrap();
    let jobs = tasks.enqueue_all((0..40).map(|id| Register { id })).await.unwrap();
    for job in &jobs {
        let status = ended(job).await;
        assert_eq!((status.state(), status.attempt()), (JobState::Done, 1), "{:?}", status.reason());
    }
    tasks.stop().await;
}
