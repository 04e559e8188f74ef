//! Attempts that fail, and jobs that are to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AsReturned, CancelToken, Cancelling, Fault, JobState, Task, TaskFailed, TaskTerms};
use serde::{Deserialize, Serialize};

use super::Base;
use super::shop::{Register, Registered, Shop, ended, register};
use crate::transports::outbox::until;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn what_fails_is_tried_again_and_told_once<B: Base>() {
    let shop = Shop::<B>::new().await;
    let fails = async |_: Arc<Register>| Err::<Registered, _>(Fault::new("the crm is away").code("away"));
    let tasks = shop.tasks().on(fails).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt(), status.attempts()), (JobState::Failed, 2, 2));
    assert_eq!(status.reason(), Some("the crm is away"));
    let expected = serde_json::json!({"id": 7, "detail": "the crm is away", "code": "away"});
    assert_eq!(shop.hears(1).await, [("RegistrationFailed".to_owned(), expected)]);
    let failed = tasks.failed("0".parse().unwrap(), 10).await.unwrap();
    assert_eq!(failed.iter().map(|job| job.id()).collect::<Vec<_>>(), [job.id()]);
    tasks.stop().await;
    assert_eq!(shop.heard().len(), 1);
}

pub(super) async fn what_is_permanent_is_not_tried_again<B: Base>() {
    let shop = Shop::<B>::new().await;
    let fails = async |_: Arc<Register>| Err::<Registered, _>(Fault::new("there is no such user").permanent());
    let tasks = shop.tasks().on(fails).unwrap().await.unwrap();
    let status = ended(&tasks.enqueue(Register { id: 7 }).await.unwrap()).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 1));
    tasks.stop().await;
}

pub(super) async fn a_job_that_has_failed_is_tried_once_more<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tried = Arc::new(AtomicU32::new(0));
    let counts = tried.clone();
    let moody = async move |user: Arc<Register>| match counts.fetch_add(1, Ordering::Relaxed) {
        0..3 => Err(Fault::new("no")),
        _ => Ok(Registered { id: user.id }),
    };
    let tasks = shop.tasks().on(moody).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 2_000 }).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Failed);
    assert!(job.retry().await.unwrap());
    // It has its unique key again, and all its attempts.
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 2));
    assert!(!job.retry().await.unwrap());
    let names: Vec<_> = shop.hears(2).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["RegistrationFailed", "Registered"]);
    tasks.stop().await;
}

pub(super) async fn a_job_that_waits_is_cancelled<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).after(HOUR).await.unwrap();
    assert_eq!(job.cancel().await.unwrap(), Some(JobState::Waiting));
    assert_eq!(ended(&job).await.state(), JobState::Cancelled);
    let heard = shop.hears(1).await;
    assert_eq!((&*heard[0].0, &heard[0].1["code"]), ("RegistrationFailed", &"cancelled".into()));
    tasks.stop().await;
}

pub(super) async fn a_job_that_runs_is_told_to_end<B: Base>() {
    let shop = Shop::<B>::new().await;
    let polite = async |_: Arc<Register>, token: CancelToken| {
        assert_eq!(token.cancelled().await, Cancelling::Cancelled);
        Err::<Registered, _>(Fault::new("it has cleaned up"))
    };
    let tasks = shop.tasks().on(polite).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    until("it runs", async || job.status().await.unwrap().is_some_and(|status| status.state() == JobState::Running))
        .await;
    assert_eq!(job.cancel().await.unwrap(), Some(JobState::Running));
    let status = ended(&job).await;
    assert_eq!((status.state(), status.reason()), (JobState::Cancelled, Some("it has cleaned up")));
    tasks.stop().await;
}

/// May run for a moment, and may wait for a while.
#[derive(Serialize, Deserialize)]
struct Hasty {}

impl Task for Hasty {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Hasty";
    const TERMS: TaskTerms =
        TaskTerms::new().attempts(1).timeout(Duration::from_millis(50)).expires(Duration::from_millis(50));
}

pub(super) async fn what_takes_too_long_has_failed<B: Base>() {
    let shop = Shop::<B>::new().await;
    let hangs = async |_: Arc<Hasty>| std::future::pending::<Result<(), Fault>>().await;
    let tasks = shop.tasks().grace(Duration::from_millis(10)).on(hangs).unwrap().await.unwrap();
    // It is due when it is enqueued, and may just be late on a machine that is busy: then it is expired.
    let status = ended(&tasks.enqueue(Hasty {}).await.unwrap()).await;
    assert_eq!(status.state(), JobState::Failed);
    tasks.stop().await;
}

pub(super) async fn what_has_waited_too_long_has_failed<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = shop.base.tasks().await.unwrap();
    let job = queue.enqueue(Hasty {}).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let never = async |_: Arc<Hasty>| Ok::<(), Fault>(());
    let tasks = shop.tasks().on(never).unwrap().await.unwrap();
    let status = ended(&job).await;
    assert_eq!(status.state(), JobState::Failed);
    assert!(status.reason().is_some_and(|reason| reason.contains("has waited")), "{status}");
    tasks.stop().await;
}

pub(super) async fn what_is_stopped_is_given_back<B: Base>() {
    convoke::testing::expect_failure("Tasks");
    let shop = Shop::<B>::new().await;
    let begun = Arc::new(AtomicU32::new(0));
    let begins = begun.clone();
    let polite = async move |_: Arc<Register>, token: CancelToken| {
        begins.fetch_add(1, Ordering::Relaxed);
        token.cancelled().await;
        Err::<Registered, _>(Fault::new("it was told to"))
    };
    let quick = Duration::from_millis(20);
    let tasks = shop.tasks().drain_timeout(quick).grace(quick).on(polite).unwrap().await.unwrap();
    let queue = shop.base.tasks().await.unwrap();
    let job = queue.enqueue(Register { id: 7 }).await.unwrap();
    // What is lent and has not begun is given back without a word.
    until("it has begun", async || begun.load(Ordering::Relaxed) > 0).await;
    let status = tasks.stop().await;
    assert!(status.to_string().contains("1 jobs were not done in time"), "{status}");
    let status = job.status().await.unwrap().unwrap();
    assert_eq!((status.state(), status.attempt(), status.attempts()), (JobState::Waiting, 0, 2));
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
}

/// What `Register` was before.
#[derive(Serialize, Deserialize)]
struct Old {
    name: String,
}

impl Task for Old {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Register";
}

pub(super) async fn a_task_that_changed_its_type_fails_by_name<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = shop.base.tasks().await.unwrap();
    let job = queue.enqueue(Old { name: "Ann".into() }).await.unwrap();
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let status = ended(&job).await;
    assert_eq!(status.state(), JobState::Failed);
    let heard = shop.hears(1).await;
    assert_eq!(heard[0].1["code"], "unreadable", "{heard:?}");
    tasks.stop().await;
}

/// While the outbox takes nothing, jobs are lent as before. Takes some 25 s.
pub(super) async fn who_cannot_settle_is_unhealthy<B: Base>(
    shop: &Shop<B>,
    breaks: impl AsyncFnOnce(),
    mends: impl AsyncFnOnce(),
) {
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let probe = tasks.probe();
    until("it is well", async || probe.health().healthy).await;
    breaks().await;
    let (start, mut jobs) = (std::time::Instant::now(), 0);
    while probe.health().healthy {
        assert!(start.elapsed() < Duration::from_secs(120), "{}", probe.health());
        let _ = tasks.enqueue(Register { id: jobs }).await.unwrap();
        jobs += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let health = probe.health();
    assert!(start.elapsed() >= Duration::from_secs(24), "{health} after {:?}", start.elapsed());
    assert!(health.lent > 10 && health.settled == 0 && !health.connected, "{health:?}");
    assert!(health.trouble.is_some() && health.to_string().contains("settles nothing"), "{health}");
    mends().await;
    until("it is well again", async || probe.health().healthy).await;
    let jobs = usize::try_from(jobs).unwrap();
    assert_eq!(shop.hears(jobs).await.len(), jobs);
    tasks.stop().await;
    assert_eq!(shop.heard().len(), jobs);
}

/// Is told by an event of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rename {
    pub(super) name: String,
}

impl Task for Rename {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Rename";
    const TERMS: TaskTerms = TaskTerms::new().attempts(1);
}

/// Has what the user has said as the key of its order.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "users/renamed", entity = "User", entity_id = name)]
pub(super) struct Renamed {
    pub(super) name: String,
}

pub(super) async fn rename(to: Arc<Rename>) -> Result<Renamed, Fault> {
    Ok(Renamed { name: to.name.clone() })
}

pub(super) async fn whatever_a_key_says_it_holds_nobody_up<B: Base>() {
    let shop = Shop::<B>::new().await;
    let outbox = shop.base.outbox("Shop").ordered_by(|event| event.payload["name"].as_str().map(str::to_owned));
    let outbox = outbox.await.unwrap();
    let tasks = shop.tasks().outbox(&outbox).on(rename).unwrap().on(register).unwrap().await.unwrap();
    let names = ["a\0b".to_owned(), "\u{202e}".to_owned(), "x".repeat(20_000), "'; --".to_owned(), String::new()];
    let mut told = 0;
    for name in names {
        let job = tasks.enqueue(Rename { name }).await.unwrap();
        let other = tasks.enqueue(Register { id: told }).await.unwrap();
        assert_eq!((ended(&job).await.state(), ended(&other).await.state()), (JobState::Done, JobState::Done));
        told += 2;
    }
    assert_eq!(outbox.figures().await.unwrap().ready, told);
    tasks.stop().await;
}

/// `breaks` has the database refuse what tells of `Renamed`.
pub(super) async fn what_is_refused_of_one_holds_nobody_up<B: Base>(shop: &Shop<B>, breaks: impl AsyncFnOnce()) {
    let failed = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = failed.clone();
    let _failed = shop.bus.on(move |failed: &TaskFailed| noted.lock().unwrap().push(failed.clone())).unwrap();
    breaks().await;
    let queue = shop.base.tasks().await.unwrap();
    let mut jobs = Vec::new();
    for id in 0..40 {
        jobs.push(queue.enqueue(Register { id }).await.unwrap());
        if id % 13 == 0 {
            jobs.push(queue.enqueue(Rename { name: id.to_string() }).await.unwrap());
        }
    }
    let tasks = shop.tasks().on(rename).unwrap().on(register).unwrap().await.unwrap();
    for job in &jobs {
        let status = ended(job).await;
        let expected = if status.task() == "Rename" { JobState::Failed } else { JobState::Done };
        assert_eq!((status.state(), status.attempt()), (expected, 1), "{:?}", status.reason());
    }
    assert_eq!(shop.hears(40).await.len(), 40);
    until("their failures are told", async || failed.lock().unwrap().len() == 4).await;
    for failed in &*failed.lock().unwrap() {
        assert_eq!((&*failed.task, &*failed.code), ("Rename", "untold"));
        assert!(failed.detail.starts_with("its event is refused: "), "{}", failed.detail);
    }
    assert!(tasks.probe().health().healthy, "{}", tasks.probe().health());
    tasks.stop().await;
}
