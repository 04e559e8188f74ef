//! What a function asks for.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::transport::MemoryDatabase;
use convoke::{Attempt, Fault, JobState, Steps, TaskProgress, TaskQueue};
use tokio::time::sleep;

use super::lab::{Lab, Register, Sweep, ended};
use crate::common::SECOND;

#[convoke::test]
async fn a_step_that_was_done_is_not_done_again() {
    let lab = Lab::new();
    let charged = Rc::new(Cell::new(0));
    let count = charged.clone();
    let register = async move |_: Arc<Register>, steps: Steps, attempt: Attempt| -> Result<(), Fault> {
        let receipt = steps
            .step("charged", async {
                count.set(count.get() + 1);
                Ok::<_, Fault>(format!("receipt {}", count.get()))
            })
            .await?;
        assert_eq!(receipt, "receipt 1");
        if attempt.is_last() { Ok(()) } else { Err(Fault::new("not yet")) }
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt(), charged.get()), (JobState::Done, 3, 1));
    tasks.stop().await;
}

#[convoke::test]
async fn progress_is_seen_by_who_has_the_job() {
    let lab = Lab::new();
    let register = async move |_: Arc<Register>, progress: TaskProgress| {
        progress.text("half of it");
        progress.fraction(0.5);
        sleep(10 * SECOND).await;
        progress.fraction(2.0);
        sleep(10 * SECOND).await;
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(5 * SECOND).await;
    assert_eq!(job.status().await.unwrap().unwrap().progress(), (Some("half of it"), Some(0.5)));
    sleep(10 * SECOND).await;
    assert_eq!(job.status().await.unwrap().unwrap().progress(), (Some("half of it"), Some(1.0)));
    ended(&job).await;
    tasks.stop().await;
}

#[convoke::test]
async fn a_function_enqueues_others_and_emits() {
    let lab = Lab::new();
    let register =
        async move |_: Arc<Register>, queue: TaskQueue<MemoryDatabase>, bus: EventBus| -> Result<(), Fault> {
            let _ = queue.enqueue(Sweep { tenant: 1 }).await?;
            bus.emit_json("users/seen", serde_json::json!({})).map_err(Fault::of)?.await;
            Ok(())
        };
    let swept = Rc::new(Cell::new(false));
    let done = swept.clone();
    let tasks = lab.tasks().on(register).unwrap().on(move |_: &Sweep| done.set(true)).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    sleep(SECOND).await;
    assert!(swept.get());
    assert_eq!(lab.heard.names(), ["users/seen"]);
    tasks.stop().await;
}
