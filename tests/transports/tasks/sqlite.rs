//! Tasks in a file of SQLite.

use super::all_over;
use super::shop::{Register, Shop, ended, register};
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

all_over! { [actix_rt::test] crate::transports::outbox::sqlite::File }

#[actix_rt::test]
async fn a_file_that_is_replaced_is_found_again() {
    let shop = Shop::<File>::new().await;
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let first = tasks.enqueue(Register { id: 1 }).await.unwrap();
    ended(&first).await;
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
async fn a_file_without_tables_says_so() {
    let shop = Shop::<File>::new().await;
    sqlx::raw_sql("UPDATE convoke_schema SET version = 5").execute(shop.base.db.pool()).await.unwrap();
    let error = shop.base.db.tasks().await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error}");
}
