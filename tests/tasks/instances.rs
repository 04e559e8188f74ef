//! What a task is about: what does not fit is an error before anything is done, and what goes wrong is told.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryConnection, MemoryDatabase};
use convoke::{Fault, Instance, JobState, Repository, TaskError, Tasks};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::lab::{MINUTE, Registered, ended};

#[derive(Debug)]
struct User;

struct Account;

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User))]
struct Greet {
    user: i64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User), delete_on_success)]
struct Dismiss {
    user: i64,
}

#[derive(Task, Serialize, Deserialize)]
struct CleanUp {}

async fn greet(_: Arc<Greet>, _: Instance<User>) {}

async fn find(_: i64) -> Result<Option<User>, Fault> {
    Ok(None)
}

async fn find_on(_: i64, _: &mut MemoryConnection) -> Result<Option<User>, Fault> {
    Ok(None)
}

fn tasks(repository: Option<Repository<User>>) -> Tasks<MemoryDatabase> {
    let bus = match repository {
        Some(repository) => EventBus::builder().provide(repository).build(),
        None => EventBus::default(),
    };
    Tasks::new(&Memory::database(), &bus)
}

/// What is said of a function that does not fit.
fn wrong(registered: Result<Tasks<MemoryDatabase>, TaskError>) -> String {
    let error = registered.expect_err("it fits");
    assert!(matches!(error, TaskError::Instance { .. } | TaskError::Container { .. }), "{error}");
    error.to_string()
}

#[convoke::test]
async fn a_repository_that_nobody_provides_is_named_at_once() {
    let text = "no `Repository<User>` is provided: add `.provide(…)` or `.provide_with(…)` to the builder";
    assert_eq!(wrong(tasks(None).on(greet)), format!("the function of the task `Greet`: {text}"));
    let dismiss = async |_: Arc<Dismiss>| {};
    assert_eq!(wrong(tasks(None).on(dismiss)), format!("the function of the task `Dismiss`: {text}"));
}

#[convoke::test]
async fn what_neither_asks_for_it_nor_deletes_it_needs_no_repository() {
    tasks(None).on(async |_: Arc<Greet>| {}).unwrap().await.unwrap().stop().await;
}

#[convoke::test]
async fn what_a_function_asks_for_is_what_its_task_is_about() {
    let of = |task: &str, text: &str| format!("the function of the task `{task}`: {text}");
    let account = tasks(Some(Repository::new(find))).on(async |_: Arc<Greet>, _: Instance<Account>| {});
    let text = "it asks for an instance of `Account`, and the task is about a `User`: ask for that";
    assert_eq!(wrong(account), of("Greet", text));
    let none = tasks(Some(Repository::new(find))).on(async |_: Arc<CleanUp>, _: Instance<User>| {});
    let text =
        "it asks for an instance of `User`, and the task does not say which: add `instance(field: …)` to `#[task(…)]`";
    assert_eq!(wrong(none), of("CleanUp", text));
    let twice = tasks(Some(Repository::new(find))).on(async |_: Arc<Greet>, _: Instance<User>, _: Instance<User>| {});
    assert_eq!(wrong(twice), of("Greet", "it asks for its instance twice: ask once"));
}

#[convoke::test]
async fn a_repository_fits_the_task_and_itself() {
    let by_name = Repository::new(async |_: String| Ok::<_, Fault>(Some(User)));
    let text =
        "the repository finds a `User` by its `String`, and the task has a `i64` of it: have both take the same type";
    assert_eq!(wrong(tasks(Some(by_name)).on(greet)), format!("the function of the task `Greet`: {text}"));

    let dismiss = async |_: Arc<Dismiss>| {};
    let of = |text: &str| format!("the function of the task `Dismiss`: {text}");
    let text = "the task deletes its `User`, and the repository does not: add `.deletes(…)` to it";
    assert_eq!(wrong(tasks(Some(Repository::new(find))).on(dismiss)), of(text));
    let other = Repository::new(find).deletes(async |_: String| Ok::<_, Fault>(()));
    let text = "the repository finds a `User` by its `i64`, and deletes it by a `String`: have both take the same type";
    assert_eq!(wrong(tasks(Some(other)).on(dismiss)), of(text));
    let apart = Repository::new(find_on).deletes(async |_: i64| Ok::<_, Fault>(()));
    let text = "the repository finds a `User` on a `MemoryConnection`, and deletes it on a connection of its own: have both \
                take the same";
    assert_eq!(wrong(tasks(Some(apart)).on(dismiss)), of(text));
}

#[convoke::test]
async fn a_repository_of_another_kind_of_database_is_an_error() {
    struct Foreign;
    let foreign = Repository::new(async |_: i64, _: &mut Foreign| Ok::<_, Fault>(Some(User)));
    let text = "the function of the task `Greet`: the repository finds a `User` on a `Foreign`, and the jobs are in the database \
                of a `MemoryConnection`: have it bring a connection of its own";
    assert_eq!(wrong(tasks(Some(foreign)).on(greet)), text);
}

#[convoke::test]
async fn a_function_is_called_by_hand_with_an_instance() {
    let mut user = Instance::new(String::from("Ada"));
    user.push_str(" Lovelace");
    assert_eq!((format!("{user:?}"), user.len()), ("Instance(\"Ada Lovelace\")".to_owned(), 12));
    assert_eq!(user.into_inner(), "Ada Lovelace");
}

#[convoke::test(allow_failures)]
async fn a_repository_that_panics_or_hangs_is_an_attempt_that_has_failed() {
    let find = async |id: i64| match id {
        1 => panic!("the table is on fire"),
        2 => std::future::pending().await,
        _ => Ok::<_, Fault>(Some(User)),
    };
    let delete = async |id: i64, _: &mut MemoryConnection| match id {
        3 => panic!("the table is on fire"),
        4 => std::future::pending().await,
        _ => Ok::<_, Fault>(()),
    };
    let greets = tasks(Some(Repository::new(find))).on(greet).unwrap().await.unwrap();
    for (user, reason) in [(1, "it panicked: the table is on fire"), (2, "it was not done in time")] {
        let status = ended(&greets.enqueue(Greet { user }).await.unwrap()).await;
        assert_eq!((status.state(), status.attempt()), (JobState::Failed, 15), "{status}");
        assert!(status.reason().unwrap().starts_with(reason), "{:?}", status.reason());
    }
    greets.stop().await;
    let deletes = tasks(Some(Repository::new(find_on).deletes(delete)));
    let deletes = deletes.on(async |_: Arc<Dismiss>| {}).unwrap().await.unwrap();
    let undeleted = "its `User` could not be deleted: it";
    for (user, reason) in [(3, "panicked: the table is on fire"), (4, "has taken longer than 30s")] {
        let status = ended(&deletes.enqueue(Dismiss { user }).await.unwrap()).await;
        assert_eq!((status.state(), status.reason()), (JobState::Failed, Some(&*format!("{undeleted} {reason}"))));
    }
    deletes.stop().await;
}

/// As `Admit` was in an earlier release.
#[derive(Task, Serialize, Deserialize)]
#[task(name = "Admit")]
struct AdmitBefore {
    name: String,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User), delete_on_failure)]
struct Admit {
    user: i64,
}

#[convoke::test]
async fn a_job_that_cannot_be_read_ends_and_deletes_nothing() {
    let delete = async |_: i64| -> Result<(), Fault> { panic!("nobody knows whom") };
    let admits = tasks(Some(Repository::new(find).deletes(delete)));
    let admits = admits.on(async |_: Arc<Admit>| {}).unwrap().await.unwrap();
    let status = ended(&admits.enqueue(AdmitBefore { name: "Ada".into() }).await.unwrap()).await;
    assert_eq!(status.state(), JobState::Failed);
    assert!(status.reason().unwrap().contains("its payload is none of `Admit`"), "{:?}", status.reason());
    admits.stop().await;
}

#[convoke::test]
async fn what_was_done_ends_when_the_database_lets_it_and_the_worker_says_what_keeps_it() {
    let db = Memory::database();
    let outbox = db.outbox("Shop").ordered_by(|_| Some("one".to_owned())).await.unwrap();
    let repository = Repository::new(find_on).deletes(async |_: i64, _: &mut MemoryConnection| Ok::<_, Fault>(()));
    let bus = EventBus::builder().provide(repository).build();
    let dismiss = async |task: Arc<Dismiss>| Ok::<_, Fault>(Registered { id: task.user.unsigned_abs() });
    let tasks = Tasks::new(&db, &bus).outbox(&outbox).on(dismiss).unwrap().await.unwrap();
    let probe = tasks.probe();
    // Somebody's transaction, which stays open, has the key of what tells how jobs have ended.
    let mut transaction = db.begin().await.unwrap();
    outbox.publish(&mut transaction, Registered { id: 0 }).await.unwrap();
    let job = tasks.enqueue(Dismiss { user: 7 }).await.unwrap();
    let start = Instant::now();
    while probe.health().healthy {
        assert!(start.elapsed() < MINUTE, "{}", probe.health());
        sleep(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() >= Duration::from_secs(25), "{:?}", start.elapsed());
    let health = probe.health();
    assert!(!health.connected && health.trouble.is_some(), "{health:?}");
    transaction.rollback().await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 1), "it was done once");
    sleep(Duration::from_secs(5)).await;
    let health = probe.health();
    assert!(health.healthy && health.connected, "{health}");
    assert_eq!(outbox.figures().await.unwrap().ready, 1);
    tasks.stop().await;
}

/// The same task in a release that has no instance.
mod next_release {
    use super::{Deserialize, Serialize, Task};

    #[derive(Task, Serialize, Deserialize)]
    pub(super) struct Dismiss {
        pub(super) user: i64,
    }
}

#[convoke::test(allow_failures)]
async fn what_a_program_deletes_no_more_is_named() {
    let db = Memory::database();
    let broken = Repository::new(find).deletes(async |_: i64| Err::<(), _>(Fault::new("the directory is away")));
    let bus = EventBus::builder().provide(broken).build();
    let tasks = Tasks::new(&db, &bus).on(async |_: Arc<Dismiss>| {}).unwrap().await.unwrap();
    let job = tasks.enqueue(Dismiss { user: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
    // It waits for another attempt, of which nobody knows any more.
    let tasks = Tasks::new(&db, &EventBus::default()).on(|_: &next_release::Dismiss| {}).unwrap().await.unwrap();
    sleep(3 * MINUTE).await;
    let health = tasks.probe().health();
    let [unclaimed] = &health.unclaimed[..] else { panic!("{health:?}") };
    assert!(unclaimed.starts_with("`Dismiss/delete` in the queue `default`, due for "), "{unclaimed}");
    tasks.stop().await;
}
