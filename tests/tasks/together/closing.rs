//! When a batch closes, and what follows that.

use std::sync::Arc;
use std::time::Duration;

use convoke::{AtLeast, BatchState, JobState, prelude::*};
use serde::{Deserialize, Serialize};

use super::{Complain, Fetch, Fetched, Followed, Report, closed, pages, places, stopped};
use crate::tasks::lab::{Lab, MINUTE};

#[convoke::test]
async fn it_is_done_as_soon_as_enough_have_succeeded_and_names_the_rest() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let all = [100].into_iter().chain(1..=16).chain(201..=203);
    let batch = tasks.together(pages(all)).when(AtLeast(16)).then(Report {}).otherwise(Complain {}).await.unwrap();
    let outcome = closed(&batch).await;
    assert_eq!((outcome.state(), outcome.needed(), outcome.jobs().len()), (BatchState::Done, 16, 20));
    assert!(outcome.elapsed() < MINUTE, "it waits for nobody who is slow: {:?}", outcome.elapsed());
    assert_eq!((places(outcome.failed()), places(outcome.succeeded())), (vec![0], (1..17).collect()));
    assert_eq!(places(outcome.missing()), [17, 18, 19]);
    let results: Vec<Fetched> = outcome.results().unwrap();
    assert_eq!(results.iter().map(|fetched| fetched.page).collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
    let (is_done, heard) = followed.only();
    assert!(is_done && heard == outcome, "{heard}");
    // The others go on, and change nothing any more.
    let last = tasks.job(outcome.jobs()[19].id()).wait(60 * MINUTE).await.unwrap().unwrap();
    assert_eq!(last.state(), JobState::Done);
    assert_eq!(closed(&batch).await, outcome);
    assert_eq!(followed.0.borrow().len(), 1);
    stopped(tasks).await;
}

#[convoke::test]
async fn it_is_out_of_reach_as_soon_as_too_many_have_failed() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let batch = tasks.together(pages([1, 100, 201, 101])).when(AtLeast(3)).then(Report {}).otherwise(Complain {});
    let outcome = closed(&batch.await.unwrap()).await;
    assert_eq!(outcome.state(), BatchState::OutOfReach);
    assert!(outcome.elapsed() < MINUTE, "{:?}", outcome.elapsed());
    assert_eq!(
        (places(outcome.succeeded()), places(outcome.failed()), places(outcome.missing())),
        (vec![0], vec![1, 3], vec![2])
    );
    let failed = &outcome.jobs()[1];
    assert_eq!((failed.code(), failed.detail()), (Some("torn"), Some("page 100 is torn")));
    assert_eq!(outcome.to_string(), "out of reach: 1 of 4 succeeded, 2 failed, 1 missing");
    let (is_done, heard) = followed.only();
    assert!(!is_done && heard == outcome, "{heard}");
    stopped(tasks).await;
}

#[convoke::test]
async fn without_a_number_all_have_to_succeed() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let all = tasks.together(pages([1, 2, 3])).then(Report {}).await.unwrap();
    assert!(closed(&all).await.is_done());
    let one_fails = tasks.together(pages([1, 2, 100])).otherwise(Complain {}).await.unwrap();
    assert_eq!(closed(&one_fails).await.state(), BatchState::OutOfReach);
    assert_eq!(followed.0.borrow().iter().map(|(is_done, _)| *is_done).collect::<Vec<_>>(), [true, false]);
    stopped(tasks).await;
}

#[convoke::test]
async fn at_its_deadline_it_names_who_is_missing() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let batch = tasks.together(pages([1, 201, 202])).deadline(2 * MINUTE).otherwise(Complain {}).await.unwrap();
    let outcome = closed(&batch).await;
    assert_eq!((outcome.state(), places(outcome.missing())), (BatchState::TimedOut, vec![1, 2]));
    assert!(outcome.elapsed() >= 2 * MINUTE && outcome.elapsed() < 3 * MINUTE, "{:?}", outcome.elapsed());
    assert!(!followed.only().0);
    stopped(tasks).await;
}

#[convoke::test]
async fn a_deadline_that_passes_while_nobody_lives_is_kept_by_the_next_worker() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let queue = lab.db.tasks().await.unwrap();
    let batch = queue.together(pages([1, 2])).deadline(MINUTE).otherwise(Complain {}).await.unwrap();
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(batch.status().await.unwrap().unwrap().state(), BatchState::Open);
    let tasks = followed.tasks(&lab).await.unwrap();
    assert_eq!(closed(&batch).await.state(), BatchState::TimedOut);
    assert!(!followed.only().0);
    stopped(tasks).await;
}

#[convoke::test]
async fn one_without_jobs_is_done_at_once_and_so_is_one_that_needs_none() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let none = tasks.together(pages([])).then(Report {}).await.unwrap();
    let outcome = closed(&none).await;
    assert_eq!((outcome.is_done(), outcome.jobs().len()), (true, 0));
    let batch = tasks.together(pages([201, 202])).when(AtLeast(0)).then(Report {}).await.unwrap();
    let outcome = closed(&batch).await;
    assert_eq!((outcome.is_done(), places(outcome.missing())), (true, vec![0, 1]));
    assert_eq!(followed.0.borrow().len(), 2);
    stopped(tasks).await;
}

#[convoke::test]
async fn one_that_is_cancelled_takes_its_jobs_along() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let batch = tasks.together(pages([1, 201, 202])).then(Report {}).otherwise(Complain {}).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(batch.cancel().await.unwrap(), Some(BatchState::Cancelled));
    let outcome = closed(&batch).await;
    assert_eq!(
        (outcome.state(), places(outcome.succeeded()), places(outcome.missing())),
        (BatchState::Cancelled, vec![0], vec![1, 2])
    );
    for job in outcome.missing() {
        let job = tasks.job(job.id()).wait(MINUTE).await.unwrap().unwrap();
        assert_eq!(job.state(), JobState::Cancelled);
    }
    assert!(!followed.only().0);
    // Again it is nothing.
    assert_eq!(batch.cancel().await.unwrap(), Some(BatchState::Cancelled));
    let done = tasks.together(pages([1])).await.unwrap();
    closed(&done).await;
    assert_eq!(done.cancel().await.unwrap(), Some(BatchState::Done));
    stopped(tasks).await;
}

#[convoke::test]
async fn the_rest_is_cancelled_where_that_is_said() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let batch = tasks.together(pages([1, 201])).when(AtLeast(1)).cancel_rest().await.unwrap();
    let outcome = closed(&batch).await;
    let rest = tasks.job(outcome.jobs()[1].id()).wait(MINUTE).await.unwrap().unwrap();
    assert_eq!((outcome.state(), rest.state()), (BatchState::Done, JobState::Cancelled));
    stopped(tasks).await;
}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 1, timeout = "1s")]
struct Hangs {}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 1)]
struct Panics {}

#[derive(Task, Serialize, Deserialize)]
#[task(expires = "1s", queue = "later")]
struct Waits {}

#[convoke::test(allow_failures)]
async fn whatever_ends_a_job_for_good_is_told_with_its_code() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let batches = [
        (queue.together([Hangs {}]).await.unwrap(), "timed_out"),
        (queue.together([Panics {}]).await.unwrap(), "panicked"),
        (queue.together([Waits {}]).await.unwrap(), "expired"),
        (queue.together(pages([1])).await.unwrap(), "cancelled"),
    ];
    let id = batches[3].0.status().await.unwrap().unwrap().missing().next().unwrap().id();
    queue.job(id).cancel().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let tasks = lab.tasks().grace(Duration::ZERO).on(|_: &Panics| -> () { panic!("no") }).unwrap();
    let tasks = tasks.on(async |_: Arc<Hangs>| std::future::pending::<()>().await).unwrap();
    let tasks = tasks.on(|_: &Waits| {}).unwrap().on(|_: &Fetch| {}).unwrap().await.unwrap();
    for (batch, code) in batches {
        let outcome = closed(&batch).await;
        assert_eq!((outcome.state(), outcome.jobs()[0].code()), (BatchState::OutOfReach, Some(code)), "{outcome}");
    }
    stopped(tasks).await;
}

#[convoke::test]
async fn a_job_that_fails_and_is_tried_again_has_not_failed() {
    let lab = Lab::new();
    let attempt = async |_: Arc<Fetch>, attempt: convoke::Attempt| match attempt.is_last() {
        true => Ok(()),
        false => Err(Failure::new("not yet")),
    };
    let tasks = lab.tasks().on(attempt).unwrap().await.unwrap();
    let batch = tasks.together(pages([1, 2])).await.unwrap();
    assert!(closed(&batch).await.is_done());
    stopped(tasks).await;
}
