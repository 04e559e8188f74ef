//! What is wrong before anything is done.

use std::sync::Arc;

use convoke::prelude::*;
use convoke::{AsReturned, Fault, Inject, Task, TaskError, TaskFailed};
use serde::{Deserialize, Serialize};

use super::lab::{Lab, Register, Registered};

struct Mailer;

#[convoke::test]
async fn what_nobody_provides_is_named_at_once() {
    let lab = Lab::new();
    let wrong = lab.tasks().on(async |_: Arc<Register>, _: Inject<Mailer>| {}).unwrap_err();
    let text = "the function of the task `Register`: no `Mailer` is provided: add `.provide(…)` or `.provide_with(…)` to the builder";
    assert_eq!(wrong.to_string(), text);
}

#[convoke::test]
async fn two_functions_for_one_task_are_an_error() {
    let lab = Lab::new();
    let wrong = lab.tasks().on(|_: &Register| {}).unwrap().on(|_: &Register| {}).unwrap_err();
    assert!(matches!(&wrong, TaskError::Twice { task } if task == "Register"), "{wrong}");
}

#[derive(Event, Serialize, Deserialize)]
struct Odd {
    unheard_of: u64,
}

#[derive(Serialize, Deserialize)]
struct Fails;

impl Task for Fails {
    type Succeeds = AsReturned;
    type Fails = Odd;
    const NAME: &'static str = "Fails";
}

#[convoke::test]
async fn an_event_that_cannot_be_made_of_a_failure_is_an_error() {
    let lab = Lab::new();
    let wrong = lab.tasks().on(|_: &Fails| {}).unwrap_err();
    assert!(wrong.to_string().contains("missing field `unheard_of`"), "{wrong}");
    assert!(wrong.to_string().starts_with("`Odd`, which tells that `Fails` has failed, cannot be made of"), "{wrong}");
}

#[derive(Event)]
#[event(local)]
struct Here;

#[convoke::test]
async fn an_event_that_never_leaves_is_an_error() {
    let lab = Lab::new();
    let wrong = lab.tasks().on(async |_: Arc<Register>| Ok::<_, Fault>(Here)).unwrap_err();
    assert!(wrong.to_string().contains("`Here` is local"), "{wrong}");
}

#[derive(Serialize, Deserialize)]
struct Import {
    text: String,
}

impl Task for Import {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Import";
}

#[convoke::test]
async fn what_is_too_large_is_not_enqueued() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let wrong = queue.enqueue(Import { text: "x".repeat(2 << 20) }).await.unwrap_err();
    assert!(matches!(wrong, TaskError::TooLarge { limit: 1_048_576, .. }), "{wrong}");
    assert_eq!(queue.figures().await.unwrap(), convoke::TaskFigures::default());
}

#[convoke::test]
async fn jobs_of_a_task_without_a_function_wait() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(async |user: Arc<Register>| Ok::<_, Fault>(Registered { id: user.id })).unwrap();
    let tasks = tasks.await.unwrap();
    let job = tasks.enqueue(Import { text: String::new() }).await.unwrap();
    tokio::time::sleep(super::lab::MINUTE).await;
    assert_eq!(job.status().await.unwrap().unwrap().state(), convoke::JobState::Waiting);
    tasks.stop().await;
}

/// Says by no field what it is about.
#[derive(Task, Serialize, Deserialize)]
#[task(fails = SweepFailed)]
struct SweepAll {
    tenant: u32,
}

#[derive(Event, Serialize, Deserialize)]
struct SweepFailed {
    id: u64,
}

/// Neither: by the number of its job.
#[derive(Task, Serialize, Deserialize)]
#[task(fails = SweepOfJobFailed)]
struct SweepOfJob {
    tenant: u32,
}

#[derive(Event, Serialize, Deserialize)]
struct SweepOfJobFailed {
    job: i64,
    id: Option<u64>,
}

#[convoke::test]
async fn the_number_of_a_job_is_taken_for_no_id() {
    let lab = Lab::new();
    let wrong = lab.tasks().on(|_: &SweepAll| {}).unwrap_err().to_string();
    let text = "it has a field `id`, and the task does not say what it is about: name that by `#[task(id = …)]`, or call the field of \
        the event `job`";
    assert!(
        wrong.starts_with("`SweepFailed`, which tells that `SweepAll` has failed") && wrong.ends_with(text),
        "{wrong}"
    );
    assert!(lab.tasks().on(|_: &SweepOfJob| {}).is_ok());
}
