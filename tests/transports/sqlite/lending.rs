//! What is lent and not heard is given back at once, what is heard alone is marked, and a publish waits for a lock.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use convoke::transport::{DeadReason, Publisher, Source, Sqlite};
use sqlx::Connection;
use tokio::time::{Instant, timeout};

use super::{LONG, MS, SECOND, ack, folder, ids, packet, publish, queue, receive, subscriber};

#[actix_rt::test]
async fn a_subscriber_that_stops_lending_keeps_nothing_that_nobody_has_received() {
    let folder = folder();
    let queue = queue(&folder).await;
    let (mut paused, mut other) = (subscriber(&queue).await, subscriber(&queue).await);
    let mut kept = 0;
    for round in 0..20 {
        publish(&queue, &(0..10).map(packet).collect::<Vec<_>>()).await;
        // Dropped as soon as it has asked: what it is lent comes for nobody.
        {
            let mut receiving = pin!(paused.receive(10));
            assert!(poll_fn(|cx| Poll::Ready(receiving.as_mut().poll(cx).is_pending())).await);
        }
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        paused.stop_lending().await.unwrap();
        let stopped = Instant::now();
        let came = receive(&mut other, 10).await;
        assert!(stopped.elapsed() < SECOND, "it took {:?}", stopped.elapsed());
        assert!(came.iter().all(|delivery| delivery.attempt() == 1), "what nobody has heard was no attempt");
        kept += 10 - ids(&came).len();
        ack(came).await;
    }
    assert_eq!(kept, 0);
    // It holds what it has received, and receives again.
    publish(&queue, &[packet("a"), packet("b")]).await;
    let held = receive(&mut paused, 1).await;
    paused.stop_lending().await.unwrap();
    ack(held).await;
    assert_eq!(ids(&receive(&mut paused, 1).await), ["b"]);
}

#[actix_rt::test]
async fn a_mark_is_there_until_it_is_settled() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).lease(100 * MS).await.unwrap();
    let mut worker = subscriber(&queue).await;
    publish(&queue, &[packet("poison")]).await;
    let mut dies = receive(&mut worker, 1).await.remove(0);
    assert!(!dies.is_marked());
    assert!(dies.mark().await.unwrap());
    // Whoever hears it dies: it comes again after its lease.
    std::mem::forget(dies);
    // There is room for this many at once, and the dead one keeps its own.
    let mut again = receive(&mut worker, 1).await.remove(0);
    assert_eq!((again.is_marked(), again.attempt()), (true, 2));
    // To be extended is no end.
    again.extend(100 * MS).await.unwrap();
    std::mem::forget(again);
    let again = receive(&mut worker, 1).await.remove(0);
    assert!(again.is_marked());
    again.retry_after(std::time::Duration::ZERO).await.unwrap();
    let mut again = receive(&mut worker, 1).await.remove(0);
    assert_eq!((again.is_marked(), again.attempt()), (false, 4));
    assert!(again.mark().await.unwrap());
    again.release().await.unwrap();
    let mut again = receive(&mut worker, 1).await.remove(0);
    assert_eq!((again.is_marked(), again.attempt()), (false, 4));
    assert!(again.mark().await.unwrap());
    again.dead_letter(DeadReason::Exhausted, Vec::new()).await.unwrap();
    let letter = receive(&mut subscriber(&queue.dead_letters()).await, 1).await.remove(0);
    assert!(!letter.is_marked());
    letter.ack().await.unwrap();
}

#[actix_rt::test]
async fn a_stale_receipt_marks_nothing() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).lease(50 * MS).await.unwrap();
    let (mut one, mut two) = (subscriber(&queue).await, subscriber(&queue).await);
    publish(&queue, &[packet("a")]).await;
    let mut stale = receive(&mut one, 1).await.remove(0);
    let taken = receive(&mut two, 1).await.remove(0);
    assert_eq!(super::kind(stale.mark().await), convoke::transport::ErrorKind::Lost);
    taken.ack().await.unwrap();
}

#[actix_rt::test]
async fn a_file_of_the_first_version_gets_what_is_missing() {
    let folder = folder();
    let file = folder.file("orders.db");
    let old = Sqlite::queue("orders").at(&file).await.unwrap();
    publish(&old, &[packet("a")]).await;
    for step in [
        "ALTER TABLE convoke_delivery DROP COLUMN marked",
        "ALTER TABLE convoke_delivery DROP COLUMN record",
        "ALTER TABLE convoke_delivery DROP COLUMN redriven",
        "UPDATE convoke_schema SET version = 1",
    ] {
        sqlx::query(step).execute(old.pool()).await.unwrap();
    }
    old.pool().close().await;
    let queue = Sqlite::queue("orders").at(&file).await.unwrap();
    let mut came = receive(&mut subscriber(&queue).await, 1).await;
    assert!(!came[0].is_marked() && came[0].mark().await.unwrap());
    ack(came).await;
}

#[actix_rt::test]
async fn a_publish_waits_for_a_lock_for_longer_than_anything_else_and_its_end_is_a_word() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut worker = subscriber(&queue).await;
    let pulse = worker.pulse().unwrap();
    assert!(pulse.silence() <= 15 * SECOND);
    assert_eq!(worker.receive(1).await.unwrap().len(), 0);
    assert!(pulse.since() < SECOND);
    let mut locks = sqlx::SqliteConnection::connect(folder.file("orders.db").to_str().unwrap()).await.unwrap();
    let transaction = locks.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let publishing = {
        let queue = queue.clone();
        actix_rt::spawn(async move { queue.publish(&[packet("late")]).await })
    };
    // Longer than the deadline of all that is no publish.
    tokio::time::sleep(11 * SECOND).await;
    assert!(!publishing.is_finished(), "it has given up");
    transaction.rollback().await.unwrap();
    timeout(LONG, publishing).await.unwrap().unwrap().remove(0).unwrap();
    ack(receive(&mut worker, 1).await).await;
}
