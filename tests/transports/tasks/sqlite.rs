//! Tasks in a file of SQLite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, Sqlite};
use convoke::{Fault, JobState, Tasks};

use super::all_over;
use super::doing::{a_function_goes_on_meanwhile, a_pool_of_one_is_enough};
use super::failing::{Rename, rename, what_is_refused_of_one_holds_nobody_up, who_cannot_settle_is_unhealthy};
use super::many::what_nobody_tells_a_batch_is_seen_all_the_same;
use super::processes::children::Place;
use super::shop::{Register, Registered, Shop, ended, register};
use super::users::{Dismiss, Users};
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

const REFUSES_RENAMED: &str = "CREATE TRIGGER no BEFORE INSERT ON convoke_outbox WHEN NEW.topic = 'users/renamed' BEGIN SELECT RAISE(ABORT, 'no'); END";

all_over! { [actix_rt::test] crate::transports::outbox::sqlite::File }

#[actix_rt::test]
async fn a_file_that_is_replaced_is_found_again() {
    let shop = Shop::<File>::new().await;
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let first = tasks.enqueue(Register { id: 1 }).await.unwrap();
    ended(&first).await;
    // Its event would go with the file.
    shop.hears(1).await;
    for name in ["shop.db", "shop.db-wal", "shop.db-shm"] {
        let _ = std::fs::remove_file(shop.base.folder.file(name));
    }
    // It is opened anew by what comes next.
    until("jobs are taken again", async || tasks.enqueue(Register { id: 2 }).await.is_ok()).await;
    shop.hears(2).await;
    assert!(first.status().await.unwrap().is_none());
    // In a transaction too, which may be the first that sees the new file.
    until("within a transaction too", async || {
        let Ok(mut transaction) = shop.base.db.begin().await else { return false };
        let enqueued = tasks.enqueue(Register { id: 3 }).within(&mut transaction).await.is_ok();
        enqueued && transaction.commit().await.is_ok()
    })
    .await;
    shop.hears(3).await;
    tasks.stop().await;
}

#[actix_rt::test]
async fn a_transaction_that_a_text_has_ended_is_none() {
    let shop = Shop::<File>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    let mut transaction = shop.base.db.begin().await.unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut *transaction).await.unwrap();
    let error = queue.enqueue(Register { id: 1 }).within(&mut transaction).await.unwrap_err();
    assert!(error.to_string().contains("no transaction"), "{error}");
}

#[actix_rt::test]
async fn a_function_goes_on_while_another_writes() {
    let shop = Shop::<File>::new().await;
    let patient = Sqlite::open(shop.base.folder.file("shop.db")).deadline(Duration::from_secs(600)).await.unwrap();
    let other = Sqlite::open(shop.base.folder.file("shop.db")).await.unwrap();
    // From now on until it is dropped there is one writer.
    a_function_goes_on_meanwhile::<File, _>(&patient, &shop.bus, async || other.begin().await.unwrap()).await;
}

#[actix_rt::test]
async fn a_worker_whose_outbox_takes_nothing_is_unhealthy() {
    let shop = Shop::<File>::new().await;
    let breaks = "CREATE TRIGGER no BEFORE INSERT ON convoke_outbox BEGIN SELECT RAISE(ABORT, 'no'); END";
    let (breaks, mends) = (shop.base.sql(breaks), shop.base.sql("DROP TRIGGER no"));
    who_cannot_settle_is_unhealthy(&shop, async || breaks.await, async || mends.await).await;
}

#[actix_rt::test]
async fn an_event_that_the_file_refuses_holds_nobody_up() {
    let shop = Shop::<File>::new().await;
    // So that there is a table.
    drop(shop.base.db.outbox("Tasks").await.unwrap());
    let breaks = shop.base.sql(REFUSES_RENAMED);
    what_is_refused_of_one_holds_nobody_up(&shop, async || breaks.await).await;
}

#[actix_rt::test]
async fn over_a_queue_an_event_that_the_file_refuses_holds_nobody_up() {
    let shop = Shop::<File>::new().await;
    let outbox = shop.base.db.outbox("Shop").await.unwrap();
    shop.base.sql(REFUSES_RENAMED).await;
    let tasks = Tasks::over(&Memory::queue("jobs"), &shop.bus).events_through(&shop.base.db, &outbox);
    let tasks = tasks.grace(Duration::ZERO).drain_timeout(Duration::ZERO).on(rename).unwrap().on(register).unwrap();
    let tasks = tasks.await.unwrap();
    tasks.enqueue(Rename { name: "Ada".into() }).await.unwrap();
    for enqueued in tasks.enqueue_all((0..10).map(|id| Register { id })).await {
        enqueued.unwrap();
    }
    until("the others are told", async || outbox.figures().await.unwrap().ready == 10).await;
    drop(tasks);
}

#[actix_rt::test]
async fn one_connection_of_a_pool_is_enough() {
    let shop = Shop::<File>::new().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(shop.base.folder.file("shop.db"));
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    a_pool_of_one_is_enough(&Sqlite::over(&pool).await.unwrap()).await;
}

#[actix_rt::test]
async fn a_handle_of_what_was_rolled_back_is_of_no_other_job() {
    let shop = Shop::<File>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    for round in 0..10 {
        let mut transaction = shop.base.db.begin().await.unwrap();
        let gone = queue.enqueue_all((0..=round).map(|id| Register { id })).within(&mut transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        queue.enqueue_all((0..10).map(|id| Register { id })).await.unwrap();
        for job in gone {
            assert_eq!((job.status().await.unwrap(), job.cancel().await.unwrap()), (None, None));
        }
    }
    assert_eq!(queue.figures().await.unwrap().waiting, 100);
}

#[actix_rt::test]
async fn a_file_without_tables_says_so() {
    let shop = Shop::<File>::new().await;
    sqlx::raw_sql("UPDATE convoke_schema SET version = 5").execute(shop.base.db.pool()).await.unwrap();
    let error = shop.base.db.tasks().await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error}");
}

#[actix_rt::test]
async fn what_was_done_while_the_file_is_locked_ends_when_it_is_free() {
    let shop = Shop::<File>::with_user(7, "Ada").await;
    let file = shop.base.folder.file("shop.db");
    let locks = shop.base.db.clone();
    let hasty = Sqlite::open(&file).deadline(Duration::from_millis(100)).await.unwrap();
    let lock = Arc::new(Mutex::new(None));
    let holds = lock.clone();
    let dismiss = async move |task: Arc<Dismiss>| {
        *holds.lock().unwrap() = Some(locks.begin().await?);
        Ok::<_, Fault>(Registered { id: task.user.unsigned_abs() })
    };
    let bus = EventBus::builder().provide(shop.base.users(&Default::default())).build();
    let outbox = hasty.outbox("Shop").await.unwrap();
    let tasks = Tasks::new(&hasty, &bus).outbox(&outbox).on(dismiss).unwrap().await.unwrap();
    let job = tasks.enqueue(Dismiss { user: 7 }).await.unwrap();
    until("it is noticed that the file is locked", async || tasks.probe().health().trouble.is_some()).await;
    assert_eq!(shop.base.names().await, ["Ada"]);
    drop(lock.lock().unwrap().take());
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 1));
    assert_eq!(shop.base.names().await, [""; 0]);
    tasks.stop().await;
}

#[actix_rt::test]
async fn what_nobody_tells_a_batch_is_seen() {
    what_nobody_tells_a_batch_is_seen_all_the_same::<File>().await;
}
