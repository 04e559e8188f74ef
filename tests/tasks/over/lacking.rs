//! What is asked for that a queue cannot do: an error by name, before anything is done.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Abilities, ErrorKind, Memory, MemoryConnection, MemoryDatabase, MemoryQueue};
use convoke::{
    Attempt, CancelToken, Fault, Instance, Repository, Steps, TaskError, TaskFailed, TaskProgress, TaskQueue,
    TaskSender, Tasks, Tx, WorkerError,
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::Over;
use crate::common::SECOND;
use crate::tasks::lab::{Register, Sweep};

#[derive(Task, Serialize, Deserialize)]
#[task(unique(id), per_key(tenant, rate = "10/1m"), priority = 3)]
struct Bill {
    id: u64,
    tenant: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(longest_wait = "2h")]
struct Export {}

#[derive(Task, Serialize, Deserialize)]
#[task(queue = "mail", longest_wait = "10m")]
struct SendMail {}

/// What SQS can do, and no more.
fn sqs() -> Abilities {
    let mut abilities = Abilities::default();
    abilities.delay = Some(Duration::from_secs(900));
    abilities.retry_after = Some(Duration::from_secs(3_600));
    abilities.lease = Some(30 * SECOND);
    abilities.dead_letters = true;
    abilities
}

fn queue() -> MemoryQueue {
    Memory::queue("tasks").with_abilities(sqs())
}

fn unsupported(error: WorkerError) -> String {
    match error {
        WorkerError::Transport(error) if error.kind() == ErrorKind::Unsupported => error.to_string(),
        other => panic!("{other}"),
    }
}

#[convoke::test]
async fn all_that_a_queue_cannot_do_is_named_at_once() {
    let bus = EventBus::default();
    let export =
        async |_: Arc<Export>, _: Steps, _: TaskProgress, _: Tx<MemoryDatabase>, _: TaskQueue<MemoryDatabase>| {};
    let tasks = Tasks::over(&queue(), &bus).on(|_: &Bill| {}).unwrap().on(export).unwrap().on(|_: &Sweep| {}).unwrap();
    let text = "memory:tasks: it cannot do what these tasks ask for: \
                `Bill`: `unique`, `per_key`, `priority`; \
                `Export`: `longest_wait`, which is 7200s, and 3600s is the most, the argument `Steps`, \
                the argument `TaskProgress`, the argument `Tx`, the argument `TaskQueue`; \
                `Sweep`: `per_key`; \
                do without, or keep these jobs in a database, by `Tasks::new(&db, …)`";
    assert_eq!(unsupported(tasks.await.unwrap_err()), text);
}

#[convoke::test]
async fn it_is_an_error_of_the_start_of_an_application_too() {
    let bus = EventBus::default();
    let tasks = Tasks::over(&queue(), &bus).on(|_: &Sweep| {}).unwrap();
    let error = convoke::Services::new(&bus).add(tasks).await.unwrap_err();
    assert!(error.to_string().contains("`Sweep`: `per_key`"), "{error}");
}

#[convoke::test]
async fn what_a_queue_has_is_no_error() {
    let over = Over::new();
    let all = async |_: Arc<Register>, _: EventBus, _: Attempt, _: CancelToken, _: TaskSender| {};
    let tasks = over.tasks().on(all).unwrap().await.unwrap();
    tasks.stop().await.unwrap();
}

struct Mailer;

#[convoke::test]
async fn what_nobody_provides_and_two_functions_for_one_task_are_errors_as_elsewhere() {
    let over = Over::new();
    let wrong = over.tasks().on(async |_: Arc<Register>, _: Inject<Mailer>| {}).unwrap_err();
    assert!(matches!(&wrong, TaskError::Container { task, .. } if task == "Register"), "{wrong}");
    let wrong = over.tasks().on(|_: &Register| {}).unwrap().on(|_: &Register| {}).unwrap_err();
    assert!(matches!(&wrong, TaskError::Twice { task } if task == "Register"), "{wrong}");
}

#[convoke::test]
async fn a_worker_that_would_do_nothing_or_has_two_queues_does_not_start() {
    let over = Over::new();
    let nobody = "memory:tasks: nobody does its jobs: register a function with `.on(…)`";
    assert_eq!(unsupported(over.tasks().await.unwrap_err()), nobody);
    let tasks = over.tasks().on(|_: &SendMail| {}).unwrap().on(|_: &Export| {}).unwrap();
    let text = "memory:tasks: `Export` waits in the queue `default`, and `SendMail` in `mail`: set up a `Tasks::over` for each";
    assert_eq!(unsupported(tasks.await.unwrap_err()), text);
}

#[convoke::test]
async fn a_queue_without_dead_letters_wants_one_of_another() {
    let bus = EventBus::default();
    let mut without = sqs();
    without.dead_letters = false;
    let queue = Memory::queue("tasks").with_abilities(without);
    let tasks = || Tasks::over(&queue, &bus).on(|_: &SendMail| {}).unwrap();
    assert!(matches!(tasks().await.unwrap_err(), WorkerError::NoDeadLetters { .. }));
    tasks().dead_letter(Memory::queue("dead")).await.unwrap().stop().await.unwrap();
}

fn refused(error: TaskError, kind: ErrorKind) -> String {
    match error {
        TaskError::Transport(error) if error.kind() == kind => error.to_string(),
        other => panic!("{other}"),
    }
}

#[convoke::test]
async fn who_enqueues_is_told_what_the_server_cannot_do() {
    let queue = queue();
    let sender = TaskSender::to(&queue);
    let error = sender.enqueue(Bill { id: 1, tenant: 1 }).await.unwrap_err();
    let text = "memory:tasks: it cannot do what these tasks ask for: `Bill`: `unique`, `per_key`, `priority`; \
                do without, or keep these jobs in a database, by `Tasks::new(&db, …)`";
    assert_eq!(refused(error, ErrorKind::Unsupported), text);
    // A task that has no key at all times says so when it has one.
    assert!(sender.enqueue(Register { id: 1 }).await.is_ok());
    let error = sender.enqueue(Register { id: 1_001 }).await.unwrap_err();
    assert!(refused(error, ErrorKind::Unsupported).contains("`Register`: `unique`;"));
    let error = sender.enqueue(Export {}).priority(1).await.unwrap_err();
    assert!(refused(error, ErrorKind::Unsupported).contains("`Export`: `priority`;"));
    let error = sender.enqueue(Export {}).after(901 * SECOND).await.unwrap_err();
    let text = "memory:tasks: it cannot hold a packet back for 901s, only for 900s: take another server, or do without";
    assert_eq!(refused(error, ErrorKind::Unsupported), text);
    assert!(sender.enqueue(Export {}).after(900 * SECOND).await.is_ok());
    let error = sender.enqueue(SendMail {}).await.unwrap_err();
    let text =
        "TaskSender: `SendMail` waits in the queue `mail`, which nobody has named: give it by `.queue(\"mail\", &…)`";
    assert_eq!(refused(error, ErrorKind::Missing), text);
    assert_eq!(queue.published(), 2);
}

#[convoke::test]
async fn each_task_goes_into_the_queue_that_it_names() {
    let (over, mail) = (Over::new(), Memory::queue("mail"));
    let sender = TaskSender::to(&over.queue).queue("mail", &mail);
    sender.enqueue(SendMail {}).await.unwrap();
    sender.enqueue(Export {}).await.unwrap();
    assert_eq!((over.queue.waiting(), mail.waiting()), (1, 1));
    let mails = Tasks::over(&mail, &over.lab.bus).on(|_: &SendMail| {}).unwrap().await.unwrap();
    // Its own sender knows its queue, and no other.
    mails.enqueue(SendMail {}).await.unwrap();
    assert!(mails.enqueue(Export {}).await.is_err());
    mails.stop().await.unwrap();
    assert_eq!(over.queue.waiting(), 1);
}

#[derive(Task, Serialize, Deserialize)]
struct Store {
    text: String,
}

#[convoke::test]
async fn of_several_one_that_is_too_large_does_not_keep_the_others() {
    let over = Over::new();
    let texts = [1, 2 << 20, 1];
    let sender = TaskSender::to(&over.queue);
    let enqueued = sender.enqueue_all(texts.map(|bytes| Store { text: "x".repeat(bytes) })).await;
    assert!(enqueued[0].is_ok() && enqueued[2].is_ok());
    assert!(matches!(&enqueued[1], Err(TaskError::TooLarge { .. })), "{enqueued:?}");
    over.queue.fail_next(1);
    let enqueued = sender.enqueue_all(["a", "b"].map(|text| Store { text: text.into() })).await;
    assert_eq!(enqueued.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
    assert_eq!(over.queue.waiting(), 3);
    let error = Fault::from(enqueued[0].clone().unwrap_err());
    assert!(error.to_string().starts_with("memory:tasks"), "{error}");
}

struct User {
    name: &'static str,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User))]
struct Greet {
    user: i64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User), delete_on_failure, delete_on_success)]
struct Dismiss {
    user: i64,
}

async fn find(id: i64) -> Result<Option<User>, Fault> {
    Ok((id == 7).then_some(User { name: "Ada" }))
}

async fn find_on(_: i64, _: &mut MemoryConnection) -> Result<Option<User>, Fault> {
    Ok(None)
}

#[convoke::test]
async fn an_instance_is_found_where_its_repository_brings_a_connection() {
    let queue = Memory::queue("tasks");
    let bus = EventBus::builder().provide(Repository::new(find)).build();
    let failed = Rc::new(RefCell::new(Vec::new()));
    let noted = failed.clone();
    let _fails = bus.on(move |failed: &TaskFailed| noted.borrow_mut().push(failed.code.clone())).unwrap();
    let greeted = Rc::new(RefCell::new(Vec::new()));
    let names = greeted.clone();
    let greet = async move |_: Arc<Greet>, user: Instance<User>| names.borrow_mut().push(user.name);
    let tasks = Tasks::over(&queue, &bus).on(greet).unwrap().await.unwrap();
    for user in [7, 8] {
        tasks.enqueue(Greet { user }).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!((greeted.take(), failed.take()), (vec!["Ada"], vec!["not_found".to_owned()]));
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn an_instance_that_is_a_row_of_the_database_of_the_jobs_is_an_error() {
    let bus = EventBus::builder().provide(Repository::new(find_on)).build();
    let tasks = Tasks::over(&queue(), &bus).on(async |_: Arc<Greet>, _: Instance<User>| {}).unwrap();
    let text = "`Greet`: an instance of `User` that is found on a connection of the database;";
    assert!(unsupported(tasks.await.unwrap_err()).contains(text));
    let delete = async |_: i64| Ok::<_, Fault>(());
    let bus = EventBus::builder().provide(Repository::new(find).deletes(delete)).build();
    let tasks = Tasks::over(&queue(), &bus).on(|_: &Dismiss| {}).unwrap();
    let text = "`Dismiss`: `delete_on_success`, `delete_on_failure`;";
    assert!(unsupported(tasks.await.unwrap_err()).contains(text));
}
