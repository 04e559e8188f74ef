//! What a task is about: what does not fit is an error before anything is done.

use std::sync::Arc;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryConnection, MemoryDatabase};
use convoke::{Fault, Instance, Repository, TaskError, Tasks};
use serde::{Deserialize, Serialize};

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
