//! What a task is about: found before each attempt, and deleted with the end of the job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use convoke::{Fault, Instance, Job, JobState, Tx};
use serde_json::json;

use super::shop::{Registered, Shop, ended};
use super::users::{Admit, Dismiss, Elsewhere, Greet, User, Users, stuck};
use crate::transports::outbox::until;

/// Without an event yet, and not over.
async fn goes_on<B: Users>(shop: &Shop<B>, job: &Job) {
    let status = job.status().await.unwrap().expect("it is there");
    assert!(!status.state().is_over(), "{status}");
    assert_eq!(shop.heard(), []);
}

pub(super) async fn an_instance_is_found_before_each_attempt<B: Users>() {
    let shop = Arc::new(Shop::<B>::with_user(7, "Ada").await);
    let changes = shop.clone();
    let greet = async move |task: Arc<Greet>, user: Instance<User>| {
        if user.name == "Ada" {
            changes.base.put(7, "Grace").await;
            return Err(Fault::new("once more"));
        }
        assert_eq!(user.into_inner(), User { name: "Grace".into() });
        Ok(Registered { id: task.user.unsigned_abs() })
    };
    let tasks = shop.tasks_with(shop.base.users(&stuck())).on(greet).unwrap().await.unwrap();
    let status = ended(&tasks.enqueue(Greet { user: 7 }).await.unwrap()).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 2));
    assert_eq!(shop.base.names().await, ["Grace"], "it stays");
    tasks.stop().await;
}

pub(super) async fn what_is_not_there_has_failed_by_name<B: Users>() {
    let shop = Shop::<B>::with_user(7, "Ada").await;
    let greet = async |_: Arc<Greet>, _: Instance<User>| -> Result<Registered, Fault> { panic!("there is no user") };
    let tasks = shop.tasks_with(shop.base.users(&stuck())).on(greet).unwrap().await.unwrap();
    let status = ended(&tasks.enqueue(Greet { user: 8 }).await.unwrap()).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 1));
    let detail = "there is no `User` of the id that the job has: it was deleted, or never there";
    let expected = json!({"id": 8, "detail": detail, "code": "not_found"});
    assert_eq!(shop.hears(1).await, [("RegistrationFailed".to_owned(), expected)]);
    tasks.stop().await;
}

pub(super) async fn an_instance_is_found_anew_in_the_transaction_that_ends_the_job<B: Users>() {
    let shop = Arc::new(Shop::<B>::with_user(7, "Ada").await);
    let changes = shop.clone();
    let greet = async move |task: Arc<Greet>, mut user: Instance<User>, mut tx: Tx<B::Database>| {
        changes.base.put(7, "Grace").await;
        assert_eq!(user.name, "Ada");
        user.reload(&mut tx).await?;
        assert_eq!(user.name, "Grace");
        Ok::<_, Fault>(Registered { id: task.user.unsigned_abs() })
    };
    let tasks = shop.tasks_with(shop.base.users(&stuck())).on(greet).unwrap().await.unwrap();
    let status = ended(&tasks.enqueue(Greet { user: 7 }).await.unwrap()).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 1));
    tasks.stop().await;
}

async fn dismiss(task: Arc<Dismiss>) -> Result<Registered, Fault> {
    match task.user {
        13 => Err(Fault::new("an unlucky number").permanent()),
        user => Ok(Registered { id: user.unsigned_abs() }),
    }
}

pub(super) async fn it_is_deleted_when_the_job_is_done_and_only_then<B: Users>() {
    let shop = Shop::<B>::with_user(7, "Ada").await;
    shop.base.put(13, "Grace").await;
    let users = shop.base.users(&Default::default());
    let tasks = shop.tasks_with(users).on(dismiss).unwrap().await.unwrap();
    let job = tasks.enqueue(Dismiss { user: 7 }).await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    assert_eq!(shop.base.names().await, ["Grace"]);
    assert_eq!(ended(&tasks.enqueue(Dismiss { user: 13 }).await.unwrap()).await.state(), JobState::Failed);
    assert_eq!(shop.base.names().await, ["Grace"]);
    let names: Vec<_> = shop.hears(2).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Registered", "RegistrationFailed"]);
    tasks.stop().await;
}

pub(super) async fn what_cannot_be_deleted_keeps_a_job_from_being_done<B: Users>() {
    let shop = Shop::<B>::with_user(7, "Ada").await;
    let (stuck, calls) = (stuck(), Arc::new(AtomicU32::new(0)));
    let (frees, counts) = (stuck.clone(), calls.clone());
    // With a transaction of the function, and without.
    let dismiss = async move |task: Arc<Dismiss>, mut tx: Tx<B::Database>| {
        if task.user == 7 {
            tx.begin().await?;
        }
        if counts.fetch_add(1, Ordering::SeqCst) == 1 {
            frees.store(false, Ordering::SeqCst);
        }
        Ok::<_, Fault>(Registered { id: task.user.unsigned_abs() })
    };
    let tasks = shop.tasks_with(shop.base.users(&stuck)).on(dismiss).unwrap().await.unwrap();
    let status = ended(&tasks.enqueue(Dismiss { user: 7 }).await.unwrap()).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 2));
    assert_eq!(shop.base.names().await, [""; 0]);
    stuck.store(true, Ordering::SeqCst);
    shop.base.put(8, "Grace").await;
    let status = ended(&tasks.enqueue(Dismiss { user: 8 }).await.unwrap()).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Failed, 3));
    assert_eq!(shop.base.names().await, ["Grace"]);
    let heard = shop.hears(2).await;
    assert_eq!(heard[0], ("Registered".to_owned(), json!({"id": 7})));
    let expected =
        json!({"id": 8, "detail": "its `User` could not be deleted: an order names it", "code": "undeleted"});
    assert_eq!(heard[1], ("RegistrationFailed".to_owned(), expected));
    tasks.stop().await;
    assert_eq!(shop.heard().len(), 2);
}

async fn admit(task: Arc<Admit>, user: Instance<User>) -> Result<Registered, Fault> {
    match user.name.as_str() {
        "root" => Err(Fault::new("taken").code("name_taken").permanent()),
        _ => Ok(Registered { id: task.user.unsigned_abs() }),
    }
}

pub(super) async fn it_is_deleted_when_the_job_has_failed_for_good_and_only_then<B: Users>() {
    let shop = Shop::<B>::with_user(7, "root").await;
    shop.base.put(8, "Ada").await;
    let users = shop.base.users(&Default::default());
    let tasks = shop.tasks_with(users).on(admit).unwrap().await.unwrap();
    assert_eq!(ended(&tasks.enqueue(Admit { user: 7 }).await.unwrap()).await.state(), JobState::Failed);
    assert_eq!(shop.base.names().await, ["Ada"]);
    assert_eq!(ended(&tasks.enqueue(Admit { user: 8 }).await.unwrap()).await.state(), JobState::Done);
    assert_eq!(shop.base.names().await, ["Ada"]);
    let heard = shop.hears(2).await;
    assert_eq!(heard[0].1, json!({"id": 7, "detail": "taken", "code": "name_taken"}));
    tasks.stop().await;
}

pub(super) async fn what_was_cancelled_is_deleted_too<B: Users>() {
    let shop = Shop::<B>::with_user(7, "Ada").await;
    let users = shop.base.users(&Default::default());
    let tasks = shop.tasks_with(users).on(admit).unwrap().await.unwrap();
    let later = std::time::Duration::from_secs(3600);
    let job = tasks.enqueue(Admit { user: 7 }).after(later).await.unwrap();
    assert!(job.cancel().await.unwrap().is_some());
    assert_eq!(ended(&job).await.state(), JobState::Cancelled);
    assert_eq!(shop.base.names().await, [""; 0]);
    assert_eq!(shop.hears(1).await[0].1["code"], "cancelled");
    tasks.stop().await;
}

pub(super) async fn what_cannot_be_deleted_keeps_a_job_from_having_failed<B: Users>() {
    let shop = Shop::<B>::with_user(7, "root").await;
    let stuck = stuck();
    let tasks = shop.tasks_with(shop.base.users(&stuck)).on(admit).unwrap().await.unwrap();
    let job = tasks.enqueue(Admit { user: 7 }).await.unwrap();
    // It is beyond its attempts, and still not over.
    until("it comes again to end", async || job.status().await.unwrap().unwrap().attempt() > 2).await;
    goes_on(&shop, &job).await;
    assert_eq!(shop.base.names().await, ["root"]);
    let status = job.status().await.unwrap().unwrap();
    let reason = "taken; and its `User` could not be deleted: an order names it";
    assert!(status.reason().is_none_or(|told| told == reason), "{status:?}");
    stuck.store(false, Ordering::SeqCst);
    assert_eq!(ended(&job).await.state(), JobState::Failed);
    assert_eq!(shop.base.names().await, [""; 0]);
    // What it has failed for is told, and not what came behind.
    let expected = json!({"id": 7, "detail": "taken", "code": "name_taken"});
    assert_eq!(shop.hears(1).await, [("RegistrationFailed".to_owned(), expected)]);
    tasks.stop().await;
    assert_eq!(shop.heard().len(), 1);
}

pub(super) async fn what_is_elsewhere_is_deleted_behind_the_event_and_until_it_is_gone<B: Users>() {
    let shop = Shop::<B>::with_user(7, "of the jobs").await;
    let (elsewhere, stuck) = (Elsewhere::default(), stuck());
    elsewhere.put(7, "root");
    elsewhere.put(8, "Ada");
    let tasks = shop.tasks_with(elsewhere.users(&stuck)).on(admit).unwrap().on(dismiss).unwrap().await.unwrap();
    let failed = tasks.enqueue(Admit { user: 7 }).await.unwrap();
    let done = tasks.enqueue(Dismiss { user: 8 }).await.unwrap();
    assert_eq!(ended(&failed).await.state(), JobState::Failed);
    assert_eq!(ended(&done).await.state(), JobState::Done);
    assert_eq!(shop.hears(2).await.len(), 2);
    assert_eq!(elsewhere.names(), ["root", "Ada"], "they cannot be deleted yet");
    stuck.store(false, Ordering::SeqCst);
    until("they are gone", async || elsewhere.names().is_empty()).await;
    assert_eq!(shop.base.names().await, ["of the jobs"]);
    tasks.stop().await;
    assert_eq!(shop.heard().len(), 2);
}
