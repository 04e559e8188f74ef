//! Attempts that fail: what is tried again, and what is told when it is not.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{Explain, Fault, JobState, Permanent};
use serde_json::json;
use tokio::time::Instant;

use super::lab::{Lab, MINUTE, Register, Registered, RegistrationFailed, ended, failing};

#[convoke::test]
async fn a_failure_is_told_after_the_last_attempt_and_not_before() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(failing("no line")).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt(), status.reason()), (JobState::Failed, 3, Some("no line")));
    assert_eq!(lab.heard.names(), ["RegistrationFailed"]);
    let told = json!({"id": 7, "detail": "no line", "code": "failed", "origin": "crm", "data": {"tries": 1}});
    assert_eq!(lab.heard.only(), told);
    tasks.stop().await;
}

#[convoke::test]
async fn an_attempt_that_fails_is_followed_by_another_that_may_not() {
    let lab = Lab::new();
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    let register = async move |user: Arc<Register>| {
        counted.set(counted.get() + 1);
        if counted.get() < 3 { Err("busy") } else { Ok(Registered { id: user.id }) }
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.attempt(), 3);
    assert_eq!((lab.heard.names(), calls.get()), (vec!["Registered".to_owned()], 3));
    tasks.stop().await;
}

#[derive(Debug)]
struct Taken;

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name is taken")
    }
}

impl std::error::Error for Taken {}

impl Explain for Taken {
    fn code(&self) -> Option<String> {
        Some("taken".into())
    }

    fn origin(&self) -> Option<String> {
        Some("names".into())
    }

    fn is_permanent(&self) -> bool {
        true
    }
}

fn look_up() -> Result<(), Taken> {
    Err(Taken)
}

#[convoke::test]
async fn an_error_says_whether_another_attempt_is_worth_it_and_what_is_told() {
    let lab = Lab::new();
    let register = async |user: Arc<Register>| -> Result<Registered, Fault> {
        look_up()?;
        Ok(Registered { id: user.id })
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.attempt(), 1);
    let told: RegistrationFailed = serde_json::from_value(lab.heard.only()).unwrap();
    assert_eq!((&*told.code, told.origin.as_deref(), &*told.detail), ("taken", Some("names"), "the name is taken"));
    tasks.stop().await;
}

#[convoke::test]
async fn a_permanent_error_of_any_kind_is_not_tried_again() {
    let lab = Lab::new();
    let register = async |_: Arc<Register>| -> Handled { Err(Permanent::new("no such user").into()) };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.attempt(), status.reason()), (1, Some("no such user")));
    tasks.stop().await;
}

#[convoke::test]
async fn a_fault_stays_what_it_is_behind_a_question_mark() {
    let lab = Lab::new();
    let deep = || -> Result<(), Fault> { Err(Fault::new("quota").code("quota").permanent()) };
    let register = async move |_: Arc<Register>| -> Handled {
        deep()?;
        Ok(())
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.attempt(), 1);
    assert_eq!(lab.heard.only()["code"], "quota");
    tasks.stop().await;
}

#[convoke::test]
async fn an_error_may_say_when_to_try_again() {
    let lab = Lab::new();
    let start = Instant::now();
    let register = async |_: Arc<Register>| -> Result<(), Fault> { Err(Fault::new("later").retry_after(10 * MINUTE)) };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    ended(&job).await;
    assert!(start.elapsed() >= 20 * MINUTE && start.elapsed() < 21 * MINUTE, "{:?}", start.elapsed());
    tasks.stop().await;
}

#[convoke::test]
async fn a_panic_is_a_failure_like_another() {
    let lab = Lab::new();
    let register = async |user: Arc<Register>| {
        if user.id == 7 {
            panic!("seven");
        }
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let bad = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let good = tasks.enqueue(Register { id: 8 }).await.unwrap();
    assert_eq!(ended(&good).await.state(), JobState::Done);
    assert_eq!(ended(&bad).await.reason(), Some("it panicked: seven"));
    assert_eq!(lab.heard.only()["code"], "panicked");
    tasks.stop().await;
}

#[convoke::test]
async fn a_payload_of_another_form_fails_and_can_be_tried_again_by_who_knows_it() {
    mod older {
        use convoke::{AsReturned, Task, TaskFailed};
        use serde::{Deserialize, Serialize};

        #[derive(Serialize, Deserialize)]
        pub(super) struct Register {
            pub(super) name: String,
        }

        impl Task for Register {
            type Succeeds = AsReturned;
            type Fails = TaskFailed;
            const NAME: &'static str = "Register";
        }
    }
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let job = queue.enqueue(older::Register { name: "a secret".into() }).await.unwrap();
    let tasks = lab.tasks().on(failing("it is not called")).unwrap().await.unwrap();
    let status = ended(&job).await;
    let reason = status.reason().unwrap();
    assert!(reason.contains("none of `Register`") && !reason.contains("secret"), "{reason}");
    assert_eq!(status.attempt(), 15, "as its author has said");
    tasks.stop().await;

    let tasks = lab.tasks().on(async |_: Arc<older::Register>| {}).unwrap().await.unwrap();
    assert!(job.retry().await.unwrap());
    assert_eq!(ended(&job).await.state(), JobState::Done);
    assert!(!job.retry().await.unwrap(), "it has not failed");
    tasks.stop().await;
}

#[convoke::test]
async fn jobs_that_have_failed_are_listed_and_tried_once_more() {
    let lab = Lab::new();
    let works = Rc::new(Cell::new(false));
    let will = works.clone();
    let register = async move |user: Arc<Register>| {
        if will.get() { Ok(Registered { id: user.id }) } else { Err(Fault::new("no line").permanent()) }
    };
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let jobs = tasks.enqueue_all((1..=5).map(|id| Register { id })).await.unwrap();
    for job in &jobs {
        ended(job).await;
    }
    let failed = tasks.failed(convoke::JobId::START, 3).await.unwrap();
    let payloads: Vec<_> = failed.iter().map(|failed| failed.payload::<Register>().unwrap().id).collect();
    assert_eq!(payloads, [1, 2, 3]);
    assert_eq!(tasks.failed(failed[2].id(), 3).await.unwrap().len(), 2);
    works.set(true);
    for job in &jobs {
        assert!(job.retry().await.unwrap());
    }
    for job in &jobs {
        assert_eq!(ended(job).await.state(), JobState::Done);
    }
    assert!(tasks.failed(convoke::JobId::START, 3).await.unwrap().is_empty());
    tasks.stop().await;
}

#[convoke::test]
async fn one_that_waits_too_long_fails_before_it_begins() {
    use convoke::{AsReturned, Task, TaskFailed, TaskTerms};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Remind {
        id: u64,
    }

    impl Task for Remind {
        type Succeeds = AsReturned;
        type Fails = TaskFailed;
        const NAME: &'static str = "Remind";
        const TERMS: TaskTerms = TaskTerms::new().expires(Duration::from_secs(600));
    }
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let job = queue.enqueue(Remind { id: 1 }).await.unwrap();
    tokio::time::sleep(11 * MINUTE).await;
    let tasks = lab.tasks().on(|_: &Remind| -> () { panic!("it is too late") }).unwrap();
    let tasks = tasks.await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Failed);
    assert_eq!(lab.heard.only()["code"], "expired");
    tasks.stop().await;
}
