//! Jobs that are asked to end, take too long, or outlive their worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use convoke::{CancelToken, Cancelling, Fault, JobState};
use tokio::time::{Instant, sleep};

use super::lab::{Lab, MINUTE, Register, ended};
use crate::common::SECOND;

#[convoke::test]
async fn one_that_waits_ends_when_it_is_cancelled() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(|_: &Register| -> () { panic!("it was cancelled") }).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).after(60 * MINUTE).await.unwrap();
    assert_eq!(job.cancel().await.unwrap(), Some(JobState::Waiting));
    let start = Instant::now();
    assert_eq!(ended(&job).await.state(), JobState::Cancelled);
    assert!(start.elapsed() < SECOND);
    assert_eq!(lab.heard.only()["code"], "cancelled");
    assert_eq!(job.cancel().await.unwrap(), Some(JobState::Cancelled), "it stays as it is");
    tasks.stop().await;
}

#[convoke::test]
async fn a_function_is_told_and_may_end_by_itself() {
    let lab = Lab::new();
    let why = Rc::new(RefCell::new(None));
    let told = why.clone();
    let register = async move |_: Arc<Register>, cancel: CancelToken| -> Result<(), Fault> {
        *told.borrow_mut() = Some(cancel.cancelled().await);
        cancel.check()?;
        Ok(())
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(job.cancel().await.unwrap(), Some(JobState::Running));
    assert_eq!(ended(&job).await.state(), JobState::Cancelled);
    assert_eq!(*why.borrow(), Some(Cancelling::Cancelled));
    tasks.stop().await;
}

#[convoke::test]
async fn a_function_that_was_done_all_the_same_is_done() {
    let lab = Lab::new();
    let register = async move |_: Arc<Register>| sleep(5 * SECOND).await;
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(SECOND).await;
    job.cancel().await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
}

#[convoke::test]
async fn a_function_that_goes_on_is_dropped_after_a_grace() {
    let lab = Lab::new();
    let register = async move |_: Arc<Register>| sleep(10 * MINUTE).await;
    let tasks = lab.tasks().on(register).unwrap().grace(3 * SECOND).await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(SECOND).await;
    let start = Instant::now();
    job.cancel().await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Cancelled);
    assert!(start.elapsed() >= 3 * SECOND && start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
    tasks.stop().await;
}

#[convoke::test]
async fn one_that_takes_too_long_is_told_dropped_and_tried_again() {
    let lab = Lab::new();
    let told = Rc::new(Cell::new(0));
    let count = told.clone();
    let register = async move |_: Arc<Register>, cancel: CancelToken| {
        assert_eq!(cancel.cancelled().await, Cancelling::TimedOut);
        count.set(count.get() + 1);
        sleep(60 * MINUTE).await;
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt(), told.get()), (JobState::Failed, 3, 3));
    assert_eq!(lab.heard.only()["code"], "timed_out");
    tasks.stop().await;
}

#[convoke::test]
async fn what_runs_is_finished_before_the_worker_stops() {
    let lab = Lab::new();
    let register = async move |_: Arc<Register>| sleep(5 * SECOND).await;
    let tasks = lab.tasks().on(register).unwrap().concurrency(2).await.unwrap();
    let queue = tasks.clone();
    let jobs = queue.enqueue_all((1..=5).map(|id| Register { id })).await.unwrap();
    sleep(SECOND).await;
    let status = tasks.stop().await;
    assert_eq!(status.to_string(), "Tasks is stopped");
    let mut states = Vec::new();
    for job in &jobs {
        states.push(job.status().await.unwrap().unwrap().state());
    }
    let done = states.iter().filter(|state| **state == JobState::Done).count();
    let waiting = states.iter().filter(|state| **state == JobState::Waiting).count();
    assert_eq!((done, waiting), (2, 3), "{states:?}");
}

#[convoke::test]
async fn what_is_not_done_in_time_is_given_back_and_the_attempt_does_not_count() {
    convoke::testing::expect_failure("Tasks");
    let lab = Lab::new();
    let why = Rc::new(Cell::new(None));
    let told = why.clone();
    let register = async move |_: Arc<Register>, cancel: CancelToken| {
        told.set(Some(cancel.cancelled().await));
        sleep(60 * MINUTE).await;
    };
    let tasks = lab.tasks().on(register).unwrap().drain_timeout(2 * SECOND).grace(SECOND).await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(SECOND).await;
    let status = tasks.stop().await;
    assert!(status.to_string().contains("1 jobs were not done in time"), "{status}");
    let status = job.status().await.unwrap().unwrap();
    assert_eq!((status.state(), status.attempt(), why.get()), (JobState::Waiting, 0, Some(Cancelling::Stopping)));
}

#[convoke::test]
async fn a_thousand_that_are_cancelled_all_end() {
    let lab = Lab::new();
    let register = async move |_: Arc<Register>| sleep(60 * MINUTE).await;
    let tasks = lab.tasks().on(register).unwrap().concurrency(100).grace(SECOND).await.unwrap();
    let jobs = tasks.enqueue_all((0..1_000).map(|id| Register { id })).await.unwrap();
    sleep(SECOND).await;
    for job in &jobs {
        job.cancel().await.unwrap();
    }
    for job in &jobs {
        assert_eq!(ended(job).await.state(), JobState::Cancelled);
    }
    assert_eq!(lab.heard.names().len(), 1_000);
    tasks.stop().await;
}
