//! A file that is deleted, moved or replaced while it is open: nothing is confirmed into nothing, and it is opened anew.

use std::path::Path;

use convoke::transport::{ErrorKind, Publisher, Source, Sqlite, SqliteInbox};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{MS, ack, folder, ids, kind, packet, publish, queue, receive, subscriber};

/// What is beside a database that is in use.
const ALL: [&str; 3] = ["orders.db", "orders.db-wal", "orders.db-shm"];

async fn refused(queue: &Sqlite, id: &str) {
    assert_eq!(kind(queue.publish(&[packet(id)]).await.remove(0)), ErrorKind::Unreachable);
}

/// What a handle of its own, as another process has it, finds in this file.
async fn found(file: &Path) -> Vec<String> {
    let mut queue = Sqlite::queue("orders").at(file).wait(10 * MS).lease(super::LONG).await.unwrap();
    queue.open(100).await.unwrap();
    let count = queue.backlog().await.unwrap().unwrap().try_into().unwrap();
    let all = receive(&mut queue, count).await;
    let ids = ids(&all);
    for delivery in all {
        delivery.release().await.unwrap();
    }
    // Nobody knows where that went of which we were told that nobody knows.
    ids.into_iter().filter(|id| id != "refused").collect()
}

#[actix_rt::test]
async fn nothing_is_confirmed_into_a_file_that_was_deleted() {
    // The file alone, as a tidy colleague does, or all that is beside it.
    for deleted in [&ALL[..1], &ALL[..]] {
        let folder = folder();
        let queue = queue(&folder).await;
        let mut worker = subscriber(&queue).await;
        publish(&queue, &[packet("gone")]).await;
        for name in deleted {
            std::fs::remove_file(folder.file(name)).unwrap();
        }
        refused(&queue, "refused").await;
        // Opened anew: from now on it is where everybody finds it.
        publish(&queue, &[packet("there")]).await;
        assert_eq!(found(&folder.file("orders.db")).await, ["there"]);
        // Who receives is told so too, until it is opened again, as a worker does.
        assert_eq!(kind(worker.receive(1).await), ErrorKind::Unreachable);
        assert_eq!(kind(worker.receive(1).await), ErrorKind::Unreachable);
        worker.open(100).await.unwrap();
        let came = receive(&mut worker, 1).await;
        assert_eq!(ids(&came), ["there"]);
        ack(came).await;
    }
}

#[actix_rt::test]
async fn who_only_receives_finds_out_as_well() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut worker = subscriber(&queue).await;
    assert_eq!(worker.receive(1).await.unwrap().len(), 0);
    std::fs::remove_file(folder.file("orders.db")).unwrap();
    assert_eq!(kind(worker.receive(1).await), ErrorKind::Unreachable);
    worker.open(1).await.unwrap();
    publish(&queue, &[packet("there")]).await;
    ack(receive(&mut worker, 1).await).await;
}

#[actix_rt::test]
async fn what_was_lent_from_a_file_that_is_gone_settles_nothing_in_the_new_one() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut worker = subscriber(&queue).await;
    publish(&queue, &[packet("a"), packet("b"), packet("c")]).await;
    let mut old = receive(&mut worker, 3).await;
    std::fs::remove_file(folder.file("orders.db")).unwrap();
    refused(&queue, "refused").await;
    publish(&queue, &[packet("d"), packet("e"), packet("f")]).await;
    worker.open(100).await.unwrap();
    let new = receive(&mut worker, 3).await;
    assert_eq!(kind(old[0].mark().await), ErrorKind::Lost);
    assert_eq!(kind(old[0].extend(super::SECOND).await), ErrorKind::Lost);
    for old in old {
        assert_eq!(kind(old.ack().await), ErrorKind::Lost);
    }
    assert_eq!(ids(&new), ["d", "e", "f"]);
    ack(new).await;
}

#[actix_rt::test]
async fn a_file_that_was_moved_away_has_what_was_confirmed_and_the_new_one_what_comes() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &[packet("before")]).await;
    // The log is left behind, as by `mv orders.db old.db`.
    std::fs::rename(folder.file("orders.db"), folder.file("old.db")).unwrap();
    refused(&queue, "refused").await;
    publish(&queue, &[packet("after")]).await;
    assert_eq!(found(&folder.file("old.db")).await, ["before"]);
    assert_eq!(found(&folder.file("orders.db")).await, ["after"]);
}

#[actix_rt::test]
async fn a_file_that_was_replaced_is_the_one_that_is_used() {
    let (folder, other) = (folder(), folder());
    let backup = queue(&other).await;
    publish(&backup, &[packet("restored")]).await;
    backup.pool().close().await;
    let queue = queue(&folder).await;
    publish(&queue, &[packet("gone")]).await;
    for name in &ALL[1..] {
        std::fs::remove_file(folder.file(name)).unwrap();
    }
    std::fs::rename(other.file("orders.db"), folder.file("orders.db")).unwrap();
    refused(&queue, "refused").await;
    publish(&queue, &[packet("there")]).await;
    assert_eq!(found(&folder.file("orders.db")).await, ["restored", "there"]);
}

#[actix_rt::test]
async fn nothing_is_confirmed_into_a_log_that_was_deleted() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut worker = subscriber(&queue).await;
    publish(&queue, &[packet("a"), packet("b")]).await;
    let held = receive(&mut worker, 1).await;
    std::fs::remove_file(folder.file("orders.db-wal")).unwrap();
    refused(&queue, "refused").await;
    publish(&queue, &[packet("c")]).await;
    // The file is the same, and so is what is lent from it.
    ack(held).await;
    assert_eq!(found(&folder.file("orders.db")).await, ["b", "c"]);
}

#[actix_rt::test]
async fn who_holds_a_connection_to_the_file_that_is_gone_is_said_to_be_waited_for() {
    let folder = folder();
    let queue = queue(&folder).await;
    let other = super::queue(&folder).await;
    let held = other.pool().acquire().await.unwrap();
    std::fs::remove_file(folder.file("orders.db")).unwrap();
    refused(&queue, "refused").await;
    for queue in [&queue, &other] {
        let error = queue.publish(&[packet("refused")]).await.remove(0).unwrap_err();
        let waited_for = "it is opened anew once a connection to the old file is back in its pool, from which this process has \
                          it for longer than 1s; end its transaction, or drop it";
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().ends_with(waited_for), "{error}");
    }
    drop(held);
    publish(&queue, &[packet("there")]).await;
    assert_eq!(found(&folder.file("orders.db")).await, ["there"]);
}

#[actix_rt::test]
async fn a_directory_that_is_gone_is_unreachable_until_it_is_back() {
    let folder = folder();
    let inner = folder.file("inner");
    std::fs::create_dir(&inner).unwrap();
    let queue = Sqlite::queue("orders").at(inner.join("orders.db")).await.unwrap();
    std::fs::remove_dir_all(&inner).unwrap();
    for _ in 0..3 {
        refused(&queue, "refused").await;
    }
    std::fs::create_dir(&inner).unwrap();
    publish(&queue, &[packet("there")]).await;
    assert_eq!(found(&inner.join("orders.db")).await, ["there"]);
}

#[actix_rt::test]
async fn an_inbox_in_a_file_that_was_deleted_marks_nothing() {
    let folder = folder();
    let file = folder.file("orders.db");
    let inbox = SqliteInbox::at(&file).await.unwrap();
    assert!(inbox.mark("1").await.unwrap());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(kind(inbox.mark("2").await), ErrorKind::Unreachable);
    assert!(inbox.mark("2").await.unwrap());
    assert!(SqliteInbox::at(&file).await.unwrap().seen("2").await.unwrap());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(kind(inbox.seen("2").await), ErrorKind::Unreachable);
    assert!(!inbox.seen("2").await.unwrap());
}

#[actix_rt::test]
async fn a_pool_of_the_application_is_looked_after_too() {
    let folder = folder();
    let file = folder.file("orders.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    let queue = Sqlite::queue("orders").pool(&pool).await.unwrap();
    let inbox = SqliteInbox::new(&pool).await.unwrap();
    publish(&queue, &[packet("gone")]).await;
    std::fs::remove_file(&file).unwrap();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(kind(inbox.mark_in(&mut transaction, "1").await), ErrorKind::Unreachable);
    drop(transaction);
    refused(&queue, "refused").await;
    publish(&queue, &[packet("there")]).await;
    assert_eq!(found(&file).await, ["there"]);
}

#[actix_rt::test]
async fn handles_of_one_file_take_nothing_from_each_other_when_it_is_gone() {
    // The file alone, the log alone, and all that is beside it.
    for deleted in [&ALL[..1], &ALL[1..2], &ALL[..]] {
        let folder = folder();
        let file = folder.file("orders.db");
        let (first, second) = (queue(&folder).await, queue(&folder).await);
        let inbox = SqliteInbox::at(&file).await.unwrap();
        for queue in [&first, &second] {
            publish(queue, &[packet("before")]).await;
        }
        for name in deleted {
            std::fs::remove_file(folder.file(name)).unwrap();
        }
        refused(&first, "refused").await;
        for id in 0..20 {
            publish(&first, &[packet(format!("first {id}"))]).await;
        }
        // The one that has not looked since then ends in order: its log is not that of the others.
        second.pool().close().await;
        drop(second);
        assert!(inbox.mark("1").await.unwrap());
        drop(inbox);
        let there = found(&file).await;
        let of_first = there.iter().filter(|id| id.starts_with("first")).count();
        assert_eq!(of_first, 20, "{deleted:?}: {there:?}");
        assert!(SqliteInbox::at(&file).await.unwrap().seen("1").await.unwrap());
        publish(&first, &[packet("last")]).await;
    }
}

#[actix_rt::test]
async fn a_handle_that_is_opened_when_the_file_is_gone_shares_it_with_those_that_had_the_old_one() {
    let folder = folder();
    let file = folder.file("orders.db");
    let old = queue(&folder).await;
    publish(&old, &[packet("gone")]).await;
    for name in ALL {
        std::fs::remove_file(folder.file(name)).unwrap();
    }
    let new = queue(&folder).await;
    publish(&new, &[packet("a")]).await;
    publish(&old, &[packet("b")]).await;
    old.pool().close().await;
    publish(&new, &[packet("c")]).await;
    drop((old, new));
    assert_eq!(found(&file).await, ["a", "b", "c"]);
}

#[actix_rt::test]
async fn handles_get_over_a_file_that_is_deleted_again_while_it_is_opened_anew() {
    for round in 0..12 {
        let folder = folder();
        let file = folder.file("orders.db");
        let handles = [queue(&folder).await, queue(&folder).await, queue(&folder).await];
        let all = handles.clone();
        let busy = actix_rt::spawn(async move {
            for id in 0..20 {
                for queue in &all {
                    let _ = queue.publish(&[packet(id)]).await;
                }
                actix_rt::time::sleep(2 * MS).await;
            }
        });
        for again in 0..3 {
            let _ = std::fs::remove_file(&file);
            actix_rt::time::sleep((1 + (round * 7 + again * 5) % 13) * MS).await;
        }
        busy.await.unwrap();
        // One error may tell that the last of these files is gone; from then on it is there.
        for queue in &handles {
            let _ = queue.publish(&[packet("perhaps")]).await;
        }
        for queue in &handles {
            publish(queue, &[packet("there")]).await;
        }
        let there = found(&file).await;
        assert_eq!(there.iter().filter(|id| *id == "there").count(), 3, "{there:?}");
    }
}

#[actix_rt::test]
async fn who_looks_makes_neither_a_file_nor_tables() {
    let folder = folder();
    let file = folder.file("orders.db");
    assert_eq!(kind(Sqlite::open(&file).existing().await), ErrorKind::Missing);
    assert!(!file.exists());
    // A file of somebody else's, with another journal.
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE theirs (id INTEGER)").execute(&pool).await.unwrap();
    pool.close().await;
    let before = std::fs::read(&file).unwrap();
    let db = Sqlite::open(&file).existing().await.unwrap();
    let tables = db.tables().await.unwrap();
    assert_eq!((tables.there, tables.fit()), (None, false));
    assert_eq!(kind(db.queue("orders").await), ErrorKind::Missing);
    db.pool().close().await;
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // What is gone meanwhile is not made either.
    queue(&folder).await;
    let db = Sqlite::open(&file).existing().await.unwrap();
    db.queue("orders").await.unwrap();
    for name in ALL {
        std::fs::remove_file(folder.file(name)).unwrap();
    }
    for _ in 0..3 {
        assert!(db.tables().await.is_err());
        assert!(!file.exists());
    }
}
