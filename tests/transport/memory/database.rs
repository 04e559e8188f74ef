//! A database in memory: what commits is there at once and whole, and what two want waits, for a while.

use std::time::Duration;

use convoke::Inbox;
use convoke::transport::{MemoryDatabase, MemoryDatabaseInbox};
use tokio::time::{Instant, sleep, timeout};

use super::*;

async fn inbox(db: &MemoryDatabase) -> MemoryDatabaseInbox {
    db.migrate().await.unwrap();
    db.inbox("billing").await.unwrap()
}

#[convoke::test]
async fn a_queue_of_a_name_is_the_same_for_all_handles_of_a_database_and_for_no_other() {
    let (db, other) = (Memory::database(), Memory::database());
    let orders = db.queue("orders").await.unwrap();
    publish(&orders, [packet("1")]).await;
    let same = db.clone().queue("orders").lease(SECOND).await.unwrap();
    assert_eq!((same.waiting(), db.queue("bills").waiting(), other.queue("orders").waiting()), (1, 0, 0));
    let mut worker = subscriber(&same).await;
    next(&mut worker).await.dead_letter(DeadReason::Permanent, Vec::new()).await.unwrap();
    assert_eq!((orders.dead_letters().waiting(), db.queue("orders-dead").waiting()), (1, 1));
    assert_eq!(other.queue("orders-dead").waiting(), 0);
}

#[convoke::test]
async fn a_mark_is_there_when_its_transaction_commits_and_never_when_it_is_rolled_back() {
    let db = Memory::database();
    let inbox = inbox(&db).await;
    let mut tx = db.begin().await.unwrap();
    assert!(inbox.mark_in(&mut tx, "7").await.unwrap());
    assert!(!inbox.mark_in(&mut tx, "7").await.unwrap(), "by itself");
    assert!(!inbox.seen("7").await.unwrap());
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    assert!(inbox.mark_in(&mut tx, "7").await.unwrap());
    tx.rollback().await.unwrap();
    assert!(!inbox.seen("7").await.unwrap());
    let mut tx = db.begin().await.unwrap();
    assert!(inbox.mark_in(&mut tx, "7").await.unwrap() && inbox.mark_in(&mut tx, "8").await.unwrap());
    tx.commit().await.unwrap();
    assert!(inbox.seen("7").await.unwrap() && inbox.seen("8").await.unwrap());
    assert!(!Inbox::mark(&inbox, "7").await.unwrap());
    assert!(!db.inbox("shipping").seen("7").await.unwrap(), "by another name");
    let alone = inbox.mark_in(&mut db.connection(), "9").await.unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::Refused);
    assert!(!inbox.seen("9").await.unwrap(), "without a transaction it would stay if the work fails");
}

#[convoke::test]
async fn a_mark_is_remembered_for_its_window() {
    let db = Memory::database();
    let inbox = inbox(&db).await.window(60 * SECOND);
    assert!(inbox.mark("7").await.unwrap());
    sleep(59 * SECOND).await;
    assert!(inbox.seen("7").await.unwrap());
    sleep(SECOND).await;
    assert!(!inbox.seen("7").await.unwrap());
    assert!(inbox.mark("7").await.unwrap());
    sleep(59 * SECOND).await;
    inbox.mark("8").await.unwrap();
    assert!(!inbox.mark("7").await.unwrap());
}

#[convoke::test]
async fn who_wants_what_another_transaction_has_waits_for_its_end() {
    let db = Memory::database();
    let inbox = inbox(&db).await;
    for commits in [false, true] {
        let id = format!("of one that commits: {commits}");
        let mut first = db.begin().await.unwrap();
        inbox.mark_in(&mut first, &id).await.unwrap();
        let ends = async {
            sleep(5 * SECOND).await;
            if commits { first.commit().await } else { first.rollback().await }.unwrap();
        };
        let start = Instant::now();
        let waits = async {
            let mut second = db.begin().await.unwrap();
            let is_new = inbox.mark_in(&mut second, &id).await.unwrap();
            second.commit().await.unwrap();
            (is_new, start.elapsed())
        };
        let (second, ()) = tokio::join!(waits, ends);
        assert_eq!(second, (!commits, 5 * SECOND));
    }
}

#[convoke::test]
async fn who_waits_in_vain_or_in_a_circle_is_told_and_can_only_roll_back() {
    let db = Memory::database().deadline(3 * SECOND);
    let inbox = inbox(&db).await;
    let (mut one, mut other) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    inbox.mark_in(&mut one, "a").await.unwrap();
    inbox.mark_in(&mut other, "b").await.unwrap();
    let circle = async {
        sleep(SECOND).await;
        let closed = inbox.mark_in(&mut other, "a").await.unwrap_err();
        (closed, inbox.mark_in(&mut other, "c").await.unwrap_err(), other.commit().await.unwrap_err())
    };
    let (waits, (closed, further, end)) = tokio::join!(inbox.mark_in(&mut one, "b"), circle);
    assert!(waits.unwrap(), "what closes the circle gives way, and what waited goes on");
    assert_eq!(closed.kind(), ErrorKind::Unreachable);
    assert!(closed.to_string().starts_with("memory inbox: deadlock: "), "{closed}");
    assert_eq!((further.kind(), end.kind()), (ErrorKind::Refused, ErrorKind::Refused));
    assert!(end.to_string().ends_with("the transaction has failed before: roll it back"), "{end}");

    let start = Instant::now();
    let late = inbox.mark("a").await.unwrap_err();
    assert_eq!((late.kind(), start.elapsed()), (ErrorKind::Unreachable, 3 * SECOND));
    // Who gives up waiting is not in anybody's way.
    timeout(Duration::from_millis(1), inbox.mark("a")).await.unwrap_err();
    one.commit().await.unwrap();
    assert!(!inbox.mark("a").await.unwrap() && inbox.mark("c").await.unwrap());
}

#[convoke::test]
async fn a_transaction_of_another_database_and_a_name_that_is_none_are_errors_by_name() {
    let (db, other) = (Memory::database(), Memory::database());
    let inbox = inbox(&db).await;
    let foreign = inbox.mark_in(&mut other.begin().await.unwrap(), "7").await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Missing);
    assert!(foreign.to_string().contains("the transaction is of another database"), "{foreign}");
    for name in ["", "two words", &"x".repeat(81)] {
        let error = db.queue(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    assert_eq!(kind(db.queue("orders").group("a/b").await), ErrorKind::Unsupported);
    assert_eq!(kind(db.inbox("two words").await), ErrorKind::Unsupported);
    db.inbox("").await.unwrap();
}
