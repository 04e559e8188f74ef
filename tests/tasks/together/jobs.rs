//! Which jobs a batch has, and how it is looked at.

use std::sync::Arc;
use std::time::Duration;

use convoke::transport::MemoryDatabase;
use convoke::{AtLeast, BatchId, BatchJob, BatchState, Fault, JobState, TaskQueue, Uuid, prelude::*};
use serde::{Deserialize, Serialize};

use super::{Complain, Fetch, Fetched, Followed, Once, Report, closed, pages, places, stopped};
use crate::tasks::lab::{Lab, MINUTE};

#[convoke::test]
async fn a_job_that_was_there_already_stands_for_one_of_the_batch() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let before = tasks.enqueue(Once { page: 201 }).await.unwrap();
    let batch = tasks.together([Once { page: 1 }, Once { page: 201 }]).then(Report {}).await.unwrap();
    let status = batch.status().await.unwrap().unwrap();
    assert_eq!((status.state(), status.jobs(), status.needed()), (BatchState::Open, 2, 2));
    let outcome = closed(&batch).await;
    assert!(outcome.is_done(), "{outcome}");
    assert_eq!((outcome.jobs()[1].id(), outcome.jobs()[1].was_there()), (before.id(), true));
    assert!(!outcome.jobs()[0].was_there());
    assert_eq!(outcome.results::<Fetched>().unwrap(), [Fetched { page: 1 }, Fetched { page: 201 }]);
    assert!(outcome.elapsed() < 11 * MINUTE, "{:?}", outcome.elapsed());
    stopped(tasks).await;
}

#[convoke::test]
async fn a_job_that_was_there_already_outlives_a_batch_that_is_cancelled() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let before = tasks.enqueue(Once { page: 201 }).await.unwrap();
    let batch = tasks.together([Once { page: 202 }, Once { page: 201 }]).await.unwrap();
    batch.cancel().await.unwrap();
    let outcome = closed(&batch).await;
    let own = tasks.job(outcome.jobs()[0].id()).wait(60 * MINUTE).await.unwrap().unwrap();
    let other = before.wait(60 * MINUTE).await.unwrap().unwrap();
    assert_eq!((own.state(), other.state()), (JobState::Cancelled, JobState::Done));
    stopped(tasks).await;
}

#[convoke::test]
async fn two_of_a_batch_with_one_unique_key_are_one_job_in_two_places() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let batch = tasks.together([Once { page: 1 }, Once { page: 2 }, Once { page: 1 }]).await.unwrap();
    let outcome = closed(&batch).await;
    assert!(outcome.is_done(), "{outcome}");
    assert_eq!(outcome.jobs()[0].id(), outcome.jobs()[2].id());
    assert_eq!(places(outcome.succeeded()), [0, 1, 2]);
    assert!(outcome.jobs().iter().all(|job| !job.was_there()));
    stopped(tasks).await;
}

#[convoke::test]
async fn a_batch_of_one_of_several_tasks_and_of_a_thousand_jobs() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let one = tasks.together(pages([1])).await.unwrap();
    assert!(closed(&one).await.is_done());
    let two = tasks.together(pages([1])).and([Once { page: 2 }]).await.unwrap();
    let outcome = closed(&two).await;
    assert_eq!(outcome.jobs().iter().map(BatchJob::task).collect::<Vec<_>>(), ["Fetch", "Once"]);
    let many = tasks.together(pages((0..1_000).map(|place| place % 100))).then(Report {}).await.unwrap();
    let outcome = closed(&many).await;
    assert_eq!((outcome.state(), outcome.succeeded().count()), (BatchState::Done, 1_000));
    assert_eq!(followed.only().1, outcome);
    stopped(tasks).await;
}

#[derive(Task, Serialize, Deserialize)]
struct Outer {
    first: u32,
}

async fn outer(outer: Arc<Outer>, queue: TaskQueue<MemoryDatabase>) -> Result<(), Fault> {
    let pages = pages(outer.first..outer.first + 3);
    queue.together(pages).when(AtLeast(2)).then(Report {}).await?;
    Ok(())
}

#[convoke::test]
async fn a_job_of_a_batch_makes_a_batch() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).on(outer).unwrap().await.unwrap();
    let batch = tasks.together([Outer { first: 1 }, Outer { first: 98 }]).then(Report {}).await.unwrap();
    assert!(closed(&batch).await.is_done());
    tokio::time::sleep(MINUTE).await;
    let mut ended: Vec<_> =
        followed.0.borrow().iter().map(|(is_done, outcome)| (*is_done, outcome.jobs().len())).collect();
    ended.sort_unstable();
    assert_eq!(ended, [(true, 2), (true, 3), (true, 3)]);
    stopped(tasks).await;
}

#[convoke::test]
async fn with_a_transaction_it_is_there_or_not_at_all() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let mut tx = lab.db.begin().await.unwrap();
    let gone = tasks.together(pages([1, 2])).then(Report {}).within(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = lab.db.begin().await.unwrap();
    let there = tasks.together(pages([1, 2])).then(Report {}).within(&mut tx).await.unwrap();
    assert!(there.status().await.unwrap().is_none());
    tx.commit().await.unwrap();
    assert!(closed(&there).await.is_done());
    assert_eq!(followed.only().1.id(), there.id());
    assert!(gone.status().await.unwrap().is_none() && gone.cancel().await.unwrap().is_none());
    stopped(tasks).await;
}

#[convoke::test]
async fn one_that_was_committed_and_not_opened_is_cancelled_all_the_same() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let queue = lab.db.tasks().await.unwrap();
    let mut tx = lab.db.begin().await.unwrap();
    let batch = queue.together(pages([1, 2])).otherwise(Complain {}).within(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    // Nobody has opened it: that is waited for.
    let cancelling = tokio::spawn(async move { batch.cancel().await.unwrap().map(|state| (state, batch)) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    // It does no page, so that none is done before.
    let tasks = lab.tasks();
    let heard = followed.0.clone();
    let complain =
        async move |_: Arc<Complain>, outcome: convoke::BatchOutcome| heard.borrow_mut().push((false, outcome));
    let tasks = tasks.on(complain).unwrap().await.unwrap();
    let (state, batch) = cancelling.await.unwrap().unwrap();
    assert_eq!(state, BatchState::Cancelled);
    closed(&batch).await;
    assert_eq!(followed.only().1.state(), BatchState::Cancelled);
    stopped(tasks).await;
}

#[convoke::test]
async fn it_is_known_by_its_id_everywhere() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let id = tasks.together(pages([1, 100, 201])).await.unwrap().id();
    let id: BatchId = id.to_string().parse().unwrap();
    let batch = lab.db.tasks().await.unwrap().batch(id);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(closed(&batch).await.id(), id);
    assert!(batch.wait(Duration::ZERO).await.unwrap().is_some());
    let other = tasks.batch(Uuid::now_v7().into());
    assert!(other.status().await.unwrap().is_none() && other.outcome().await.unwrap().is_none());
    assert!(other.wait(MINUTE).await.unwrap().is_none() && other.cancel().await.unwrap().is_none());
    stopped(tasks).await;
}

#[derive(Task, Serialize, Deserialize)]
struct Large {
    bytes: usize,
}

#[derive(Event, Serialize, Deserialize)]
struct Enlarged {
    text: String,
}

#[convoke::test]
async fn results_are_kept_as_far_as_there_is_room_also_of_jobs_that_are_not() {
    let lab = Lab::new();
    let large = async |large: Arc<Large>| Enlarged { text: "x".repeat(large.bytes) };
    let tasks = lab.tasks().keep(Duration::ZERO).on(large).unwrap().await.unwrap();
    let share = (1 << 20) / 2;
    // {"text":"…"}
    let batch = tasks.together([Large { bytes: share - 11 }, Large { bytes: share - 10 }]).await.unwrap();
    let outcome = closed(&batch).await;
    assert!(outcome.is_done(), "{outcome}");
    assert_eq!((outcome.jobs()[0].left_out(), outcome.jobs()[1].left_out()), (None, Some(share + 1)));
    assert_eq!(outcome.results::<Enlarged>().unwrap().len(), 1);
    assert!(tasks.job(outcome.jobs()[0].id()).status().await.unwrap().is_none(), "it is not kept");
    stopped(tasks).await;
}

#[convoke::test]
async fn a_job_that_is_tried_once_more_by_hand_has_failed_for_its_batch() {
    let lab = Lab::new();
    let is_mended = std::rc::Rc::new(std::cell::Cell::new(false));
    let mended = is_mended.clone();
    let fetch = async move |_: Arc<Fetch>| match mended.get() {
        true => Ok(()),
        false => Err(Fault::new("torn").permanent()),
    };
    let tasks = lab.tasks().on(fetch).unwrap().await.unwrap();
    let batch = tasks.together(pages([1])).await.unwrap();
    let outcome = closed(&batch).await;
    is_mended.set(true);
    let job = tasks.job(outcome.jobs()[0].id());
    assert!(job.retry().await.unwrap());
    assert_eq!(job.wait(MINUTE).await.unwrap().unwrap().state(), JobState::Done);
    assert_eq!(closed(&batch).await, outcome);
    stopped(tasks).await;
}
