//! What cannot be a batch.

use std::sync::Arc;
use std::time::Duration;

use convoke::transport::Memory;
use convoke::{AtLeast, BatchOutcome, JobState, TaskError, Tasks, prelude::*};
use serde::{Deserialize, Serialize};

use super::{Followed, Report, pages, stopped};
use crate::tasks::lab::{Lab, MINUTE};

#[derive(Task, Serialize, Deserialize)]
struct Heavy {
    text: String,
}

#[convoke::test]
async fn what_cannot_be_is_said_before_anything_is_written() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let why = async |together: convoke::Together<_>| {
        let error = together.await.unwrap_err();
        assert!(matches!(error, TaskError::Batch { .. } | TaskError::TooLarge { .. }), "{error}");
        error.to_string()
    };
    let too_many = why(queue.together(pages(0..1_001))).await;
    assert!(too_many.contains("more than 1000 jobs: have each of its jobs make a batch of its own"), "{too_many}");
    let endless = why(queue.together(pages(0..))).await;
    assert_eq!(endless, too_many);
    let in_two = why(queue.together(pages(0..1_000)).and(pages([1]))).await;
    assert_eq!(in_two, too_many);
    let too_few = why(queue.together(pages([1, 2])).when(AtLeast(3))).await;
    assert!(too_few.contains("3 of its jobs have to succeed, and it has 2"), "{too_few}");
    let no_time = why(queue.together(pages([1])).deadline(Duration::ZERO)).await;
    assert!(no_time.contains("its deadline is zero"), "{no_time}");
    let heavy = || Heavy { text: "x".repeat(64 << 10) };
    for together in [queue.together(pages([1])).then(heavy()), queue.together(pages([1])).otherwise(heavy())] {
        let too_large = why(together).await;
        assert!(too_large.contains("a job of `Heavy` has 65547 bytes, and 65536 are the most"), "{too_large}");
    }
    assert_eq!(queue.figures().await.unwrap().waiting, 0);
}

#[convoke::test]
async fn a_job_that_follows_no_batch_has_no_outcome() {
    let (lab, followed) = (Lab::new(), Followed::default());
    let tasks = followed.tasks(&lab).await.unwrap();
    let job = tasks.enqueue(Report {}).await.unwrap();
    let status = job.wait(MINUTE).await.unwrap().unwrap();
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 1));
    assert!(status.reason().unwrap().contains("it follows no batch"), "{:?}", status.reason());
    stopped(tasks).await;
}

#[convoke::test]
async fn over_a_queue_there_is_none_and_that_is_said_by_name() {
    let tasks = Tasks::over(&Memory::queue("tasks"), &EventBus::default());
    let tasks = tasks.on(async |_: Arc<Report>, _: BatchOutcome| {}).unwrap();
    let error = tasks.await.unwrap_err().to_string();
    assert!(error.contains("`Report`: the argument `BatchOutcome`"), "{error}");
}
