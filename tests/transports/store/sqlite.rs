//! A store in a file of SQLite.

use std::path::PathBuf;

use convoke::prelude::*;
use convoke::transport::{ErrorKind, Sqlite};
use convoke::{Edition, Position, Project, ProjectionFault, Recorded, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{SqliteConnection, SqlitePool};

use super::{Base, all_over, filled, moved};
use crate::transports::outbox::sqlite::File;

all_over! { [actix_rt::test] crate::transports::outbox::sqlite::File }

#[actix_rt::test]
async fn a_file_that_is_replaced_is_another_store() {
    let base = File::new().await;
    let store = filled(&base, 2, 2).await;
    let last = store.head().await.unwrap();
    for name in ["shop.db", "shop.db-wal", "shop.db-shm"] {
        let _ = std::fs::remove_file(base.folder.file(name));
    }
    // Nothing is read from the new file as if it were the old one, however often it is tried.
    for _ in 0..3 {
        assert!(store.append(moved(1, 1)).await.is_err());
        assert!(store.read("**").after(last).all().await.is_err());
    }
    let anew = Sqlite::open(base.folder.file("shop.db")).await.unwrap().store("orders").await.unwrap();
    assert_eq!(anew.append(moved(1, 1)).await.unwrap().number(), 1);
    let error = anew.read("**").after(last).all().await.unwrap_err();
    assert!(matches!(error, StoreError::Elsewhere { .. }), "{error}");
}

#[actix_rt::test]
async fn two_handles_append_to_one_store() {
    let base = File::new().await;
    let store = filled(&base, 1, 1).await;
    let other = Sqlite::open(base.folder.file("shop.db")).await.unwrap().store("orders").await.unwrap();
    assert_eq!(other.append(moved(1, 1)).await.unwrap().number(), 2);
    assert_eq!(store.append(moved(1, 2)).await.unwrap().number(), 3);
    assert_eq!(other.read("**").after(Position::START).all().await.unwrap().len(), 3);
}

/// A pool of the application with one connection.
async fn pool(base: &File, options: SqliteConnectOptions) -> SqlitePool {
    let options = options.filename(base.folder.file("shop.db"));
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// A row for each record, of this many bytes.
struct Copies {
    bytes: usize,
    /// Is moved away at the third record.
    file: Option<PathBuf>,
}

impl Project<SqliteConnection> for Copies {
    async fn prepare(&self, tx: &mut SqliteConnection, _: Edition) -> Handled {
        sqlx::query("CREATE TABLE copies (of_position INTEGER PRIMARY KEY, body BLOB)").execute(tx).await?;
        Ok(())
    }

    async fn apply(&self, tx: &mut SqliteConnection, record: &Recorded, _: Edition) -> Handled {
        let position = record.position().number();
        if let Some(file) = self.file.as_ref().filter(|_| position == 3) {
            std::fs::rename(file, file.with_extension("old"))?;
        }
        let insert = sqlx::query("INSERT INTO copies VALUES (?, zeroblob(?))");
        insert.bind(position.cast_signed()).bind(self.bytes as i64).execute(tx).await?;
        Ok(())
    }
}

#[actix_rt::test]
async fn a_pool_of_one_connection_that_only_reads_or_may_not_grow_says_so() {
    let base = File::new().await;
    filled(&base, 2, 5).await;
    let reads = Sqlite::over(&pool(&base, SqliteConnectOptions::new().read_only(true)).await).await.unwrap();
    let store = reads.store("orders").await.unwrap();
    assert_eq!(store.read("orders/*").all().await.unwrap().len(), 10);
    let StoreError::Transport(error) = store.append(moved(1, 1)).await.unwrap_err() else { panic!("it was appended") };
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(reads.store("another").await.unwrap_err().kind(), ErrorKind::Denied);
    let copies = Copies { bytes: 1, file: None };
    let error = reads.projection("copies", store.read("**"), copies).await.unwrap().catch_up().await.unwrap_err();
    assert!(matches!(&error.fault, ProjectionFault::Database(error) if error.kind() == ErrorKind::Denied), "{error}");

    let narrow = pool(&base, SqliteConnectOptions::new().pragma("max_page_count", "60")).await;
    let full = Sqlite::over(&narrow).await.unwrap();
    let store = full.store("orders").await.unwrap();
    let copies = Copies { bytes: 100_000, file: None };
    let projection = full.projection("copies", store.read("**"), copies).await.unwrap();
    for _ in 0..3 {
        let error = projection.catch_up().await.unwrap_err();
        assert!(matches!(&error.fault, ProjectionFault::Apply { reason, .. } if reason.contains("full")), "{error}");
    }
    let large = super::noted(&"x".repeat(300_000));
    let error = store.append(large).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("the disk is full"), "{error}");
    sqlx::raw_sql("PRAGMA max_page_count = 100000").execute(&narrow).await.unwrap();
    assert_eq!(projection.catch_up().await.unwrap().left(), 0);
    let copies: i64 = sqlx::query_scalar("SELECT count(*) FROM copies").fetch_one(&narrow).await.unwrap();
    assert_eq!((copies, store.append(moved(1, 9)).await.unwrap().number()), (10, 11));
}

#[actix_rt::test]
async fn a_file_that_is_replaced_while_records_are_applied_is_not_taken_for_done() {
    let base = File::new().await;
    let store = filled(&base, 1, 5).await;
    let copies = Copies { bytes: 1, file: Some(base.folder.file("shop.db")) };
    let projection = base.db.projection("copies", store.read("**"), copies).await.unwrap();
    let error = projection.catch_up().await.unwrap_err();
    assert!(matches!(&error.fault, ProjectionFault::Database(error) if error.is_temporary()), "{error}");
    assert!(error.to_string().contains("deleted, moved or replaced"), "{error}");
    assert!(projection.catch_up().await.is_err(), "the store is another one");
}
