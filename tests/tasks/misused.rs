//! What users do by mistake, or at the end of what can be said.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{AsReturned, Fault, JobState, Missed, Steps, Task, TaskTerms, Tasks, Tx};
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::{sleep, timeout};

use super::lab::{Lab, MINUTE, Register, Registered, ended};
use crate::common::SECOND;

#[convoke::test]
async fn who_has_no_function_does_not_start() {
    let lab = Lab::new();
    let wrong = lab.tasks().await.unwrap_err().to_string();
    assert!(wrong.contains("it would do nothing: register a function with `.on(…)`"), "{wrong}");
    assert!(wrong.contains("who only enqueues takes `tasks()` of the database"), "{wrong}");
}

#[convoke::test]
async fn what_is_said_of_no_schedule_is_an_error() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(|_: &Register| {}).unwrap().missed(Missed::Once);
    let wrong = tasks.every("@daily", Register { id: 7 }).unwrap().await.unwrap_err().to_string();
    let text = "the schedule `.missed(Missed::Once)`: it is said of the schedule before it, and there is none: move it behind its \
        `.every(…)`";
    assert!(wrong.contains(text), "{wrong}");
}

#[convoke::test]
async fn no_time_is_too_long() {
    let lab = Lab::new();
    let stubborn = async |_: Arc<Register>| sleep(60 * MINUTE).await;
    let tasks = lab.tasks().grace(Duration::MAX).drain_timeout(Duration::MAX).lease(Duration::MAX);
    let tasks = tasks.poll_every(Duration::MAX).keep(Duration::MAX).keep_failed(Duration::MAX).on(stubborn);
    let tasks = tasks.unwrap().await.unwrap();
    let late = tasks.enqueue(Register { id: 7 }).after(Duration::MAX).await.unwrap();
    let job = tasks.enqueue(Register { id: 8 }).await.unwrap();
    sleep(SECOND).await;
    job.cancel().await.unwrap();
    let status = job.wait(Duration::MAX).await.unwrap().expect("it is kept");
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 1), "it was given all the time that it took");
    assert_eq!(late.status().await.unwrap().unwrap().state(), JobState::Waiting);
    assert!(tasks.probe().health().healthy, "{}", tasks.probe().health());
    let _runs = tasks.enqueue(Register { id: 9 }).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(tasks.stop().await.to_string(), "Tasks is stopped");
}

#[convoke::test]
async fn the_name_of_a_step_stands_for_one() {
    let lab = Lab::new();
    let pages = async |_: Arc<Register>, steps: Steps| -> Result<(), Fault> {
        for page in 0..3 {
            steps.step("page", async { Ok::<_, Fault>(page) }).await?;
        }
        Ok(())
    };
    let tasks = lab.tasks().on(pages).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 1), "another attempt would do the same");
    let text = "step `page`: this attempt has done a step of this name before: give each a name of its own";
    assert_eq!(status.reason(), Some(text));
    assert_eq!(lab.heard.only()["code"], "step");
    tasks.stop().await;
}

#[convoke::test]
async fn a_step_that_failed_is_done_again_by_its_name() {
    let lab = Lab::new();
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let twice = async move |_: Arc<Register>, steps: Steps| -> Result<(), Fault> {
        let mut charged = steps.step("charged", async { Err::<u32, _>(Fault::new("busy")) }).await;
        if charged.is_err() {
            // A future that is dropped where it waits was not done either.
            let waits = steps.step("charged", async {
                sleep(MINUTE).await;
                Ok::<_, Fault>(1)
            });
            assert!(timeout(SECOND, waits).await.is_err());
            count.set(count.get() + 1);
            charged = steps.step("charged", async { Ok::<_, Fault>(2) }).await;
        }
        assert_eq!(charged?, 2);
        let (one, other) = (steps.clone(), steps);
        let both = (one.step("one", async { Ok::<_, Fault>(1) }), other.step("other", async { Ok::<_, Fault>(2) }));
        assert_eq!(tokio::try_join!(both.0, both.1)?, (1, 2));
        Ok(())
    };
    let tasks = lab.tasks().on(twice).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), calls.get()), (JobState::Done, 1), "{:?}", status.reason());
    tasks.stop().await;
}

#[convoke::test]
async fn a_step_within_a_step_fails_and_does_not_wait_for_itself() {
    let lab = Lab::new();
    let nested = async |_: Arc<Register>, steps: Steps| -> Result<(), Fault> {
        let inner = steps.clone();
        steps.step("outer", async { inner.step("inner", async { Ok::<_, Fault>(1) }).await }).await.map(drop)
    };
    let tasks = lab.tasks().on(nested).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 1));
    let text = "step `inner`: it is done within another step: do it before or behind that";
    assert_eq!(status.reason(), Some(text));
    tasks.stop().await;
}

/// Panics when it becomes JSON.
#[derive(Event, Deserialize)]
struct Fragile {
    detail: String,
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("it broke, with {}", self.detail)
    }
}

#[convoke::test(allow_failures)]
async fn an_event_that_panics_when_it_leaves_is_a_failure_of_its_job() {
    for keep in [Duration::ZERO, 60 * MINUTE] {
        let lab = Lab::new();
        let tasks =
            lab.tasks().keep(keep).on(async |_: Arc<Register>| Ok::<_, Fault>(Fragile { detail: "care".into() }));
        let tasks = tasks.unwrap().await.unwrap();
        let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
        let status = ended(&job).await;
        assert_eq!(status.state(), JobState::Failed);
        assert!(status.reason().is_some_and(|why| why.contains("it broke")), "{:?}", status.reason());
        assert_eq!(lab.heard.names(), ["RegistrationFailed"]);
        tasks.stop().await;
    }
}

/// Tells of a failure by what panics when it becomes JSON.
#[derive(Serialize, Deserialize)]
struct Doomed;

impl Task for Doomed {
    type Succeeds = AsReturned;
    type Fails = Fragile;
    const NAME: &'static str = "Doomed";
    const TERMS: TaskTerms = TaskTerms::new().attempts(1);
}

#[convoke::test(allow_failures)]
async fn a_failure_whose_event_panics_is_told_by_ours() {
    let lab = Lab::new();
    let doomed = |_: &Doomed| -> Result<(), Fault> { Err(Fault::new("no")) };
    let tasks = lab.tasks().on(doomed).unwrap().await.unwrap();
    let job = tasks.enqueue(Doomed).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Failed);
    assert_eq!(lab.heard.names(), ["TaskFailed"]);
    assert_eq!(lab.heard.only()["detail"], "no");
    tasks.stop().await;
}

#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("it does not want to go");
    }
}

#[convoke::test(allow_failures)]
async fn what_panics_while_it_is_dropped_takes_no_other_along() {
    let lab = Lab::new();
    let stays = async |user: Arc<Register>, mut tx: Tx<MemoryDatabase>| {
        if user.id == 7 {
            tx.begin().await.unwrap();
            let _bomb = Bomb;
            sleep(60 * MINUTE).await;
        }
        sleep(50 * SECOND).await;
    };
    let tasks = lab.tasks().on(stays).unwrap().await.unwrap();
    let (dropped, other) =
        (tasks.enqueue(Register { id: 7 }).await.unwrap(), tasks.enqueue(Register { id: 8 }).await.unwrap());
    sleep(SECOND).await;
    dropped.cancel().await.unwrap();
    assert_eq!(ended(&dropped).await.state(), JobState::Cancelled);
    // Its timeout is 30 s.
    let status = ended(&other).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 3));
    assert!(tasks.probe().health().healthy);
    tasks.stop().await;
}

/// An error whose text panics.
#[derive(Debug)]
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("it says nothing")
    }
}

impl std::error::Error for Mute {}

#[convoke::test(allow_failures)]
async fn an_error_that_panics_when_it_is_asked_is_one_more_failure() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(async |_: Arc<Register>| Err::<Registered, _>(Mute)).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 3));
    assert_eq!(status.reason(), Some("it panicked: it says nothing"));
    tasks.stop().await;
}

/// Its payload has no order.
#[derive(Serialize, Deserialize)]
struct Sum {
    of: std::collections::HashMap<u32, u32>,
}

impl Task for Sum {
    type Succeeds = AsReturned;
    type Fails = convoke::TaskFailed;
    const NAME: &'static str = "Sum";
}

#[convoke::test]
async fn a_schedule_is_the_same_in_whatever_order_its_payload_is() {
    let lab = Lab::new();
    let sum = || Sum { of: (0..50).map(|number| (number, number)).collect() };
    let tasks = lab.tasks().on(|_: &Sum| {}).unwrap().every("@daily", sum()).unwrap();
    let wrong = tasks.every("@daily", sum()).unwrap_err();
    assert_eq!(wrong.to_string(), "the schedule `@daily`: there is one for `Sum` already: leave one out");
}

#[convoke::test(allow_failures)]
async fn over_a_queue_an_event_that_panics_is_a_failure_of_its_job() {
    let lab = Lab::new();
    let queue = Memory::queue("tasks");
    let fragile = async |_: Arc<Register>| Ok::<_, Fault>(Fragile { detail: "care".into() });
    let tasks = Tasks::over(&queue, &lab.bus).grace(Duration::MAX).drain_timeout(Duration::MAX).on(fragile);
    let tasks = tasks.unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(lab.heard.names(), ["RegistrationFailed"]);
    assert_eq!(lab.heard.only()["code"], "untold");
    assert!(tasks.health().healthy, "{}", tasks.health());
    tasks.stop().await.unwrap();
}
