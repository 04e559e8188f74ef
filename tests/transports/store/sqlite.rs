//! A store in a file of SQLite.

use convoke::transport::Sqlite;
use convoke::{Position, StoreError};

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
