//! Queues: order, leases, groups and ends.

use super::*;

#[actix_rt::test]
async fn a_packet_comes_as_it_was() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut there = packet("a\0 ü 🦀");
    there.topic = "orders/placed".into();
    there.key = Some(String::new());
    there.priority = 255;
    there.body = (0..=255).cycle().take(100_000).collect();
    there.attributes.insert("name", "ü\"\\\n\0");
    there.attributes.insert("", "");
    there.attributes.insert("number", 18_446_744_073_709_551_615_u64);
    there.attributes.insert("list", ["a", ""]);
    publish(&queue, &[there.clone(), Packet::default()]).await;
    let mut worker = subscriber(&queue).await;
    assert_eq!(worker.backlog().await.unwrap(), Some(2));
    let came = receive(&mut worker, 2).await;
    assert_eq!(worker.backlog().await.unwrap(), Some(0));
    assert_eq!((came[0].packet(), came[1].packet()), (&there, &Packet::default()));
    assert_eq!((came[0].attempt(), came[0].source(), came[0].lease()), (1, "sqlite:orders", Some(30 * SECOND)));
    ack(came).await;
    nothing(&mut worker).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM convoke_message").fetch_one(queue.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[actix_rt::test]
async fn each_end_is_what_it_says() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &["ack", "retry", "dead", "release"].map(packet)).await;
    let mut worker = subscriber(&queue).await;
    for delivery in receive(&mut worker, 4).await {
        match delivery.packet().id.as_str() {
            "ack" => delivery.ack().await.unwrap(),
            "retry" => delivery.retry_after(300 * MS).await.unwrap(),
            "dead" => delivery.dead_letter(DeadReason::Permanent, vec!["no".into()]).await.unwrap(),
            _ => delivery.release().await.unwrap(),
        }
    }
    let came = receive(&mut worker, 2).await;
    assert_eq!(ids(&came), ["release", "retry"]);
    assert_eq!([came[0].attempt(), came[1].attempt()], [1, 2]);
    ack(came).await;
    let mut dead = queue.dead_letters();
    assert_eq!(Source::name(&dead), "sqlite:orders-dead");
    dead.open(10).await.unwrap();
    let came = receive(&mut dead, 1).await;
    let record = DeadLetterRecord::of(came[0].packet()).unwrap();
    assert_eq!((record.reason, record.attempts, &*record.errors[0]), (DeadReason::Permanent, 1, "no"));
    drop(came);
    let redriven = redrive(&mut dead, &queue, 10).await.unwrap();
    assert_eq!(redriven.moved, 1);
    let came = receive(&mut worker, 1).await;
    assert_eq!((came[0].packet(), came[0].attempt()), (&packet("dead"), 1));
    ack(came).await;
}

#[actix_rt::test]
async fn what_is_dropped_is_given_back() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &[packet(1)]).await;
    let mut worker = subscriber(&queue).await;
    for _ in 0..3 {
        let came = receive(&mut worker, 1).await;
        assert_eq!(came[0].attempt(), 1);
    }
    // A receive that is dropped takes nothing with it.
    for _ in 0..50 {
        let _ = tokio::time::timeout(Duration::ZERO, worker.receive(1)).await;
        tokio::task::yield_now().await;
    }
    let came = receive(&mut worker, 1).await;
    assert_eq!(came[0].attempt(), 1);
}

#[actix_rt::test]
async fn a_lease_that_runs_out_is_another_attempt_and_the_old_one_is_lost() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).lease(200 * MS).await.unwrap();
    publish(&queue, &[packet(1)]).await;
    let (mut first, mut second) = (subscriber(&queue).await, subscriber(&queue).await);
    let mut lent = receive(&mut first, 1).await;
    lent[0].extend(LONG).await.unwrap();
    nothing(&mut second).await;
    lent[0].extend(MS).await.unwrap();
    let again = receive(&mut second, 1).await;
    assert_eq!(again[0].attempt(), 2);
    assert_eq!(kind(lent[0].extend(LONG).await), ErrorKind::Lost);
    assert_eq!(kind(lent.remove(0).ack().await), ErrorKind::Lost);
    ack(again).await;
    nothing(&mut first).await;
}

#[actix_rt::test]
async fn one_of_a_key_comes_at_a_time_and_in_order() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &[keyed(1, "a"), keyed(2, "a"), keyed(3, "b"), packet(4), keyed(5, "a")]).await;
    let mut worker = subscriber(&queue).await;
    let mut came = receive(&mut worker, 3).await;
    assert_eq!(ids(&came), ["1", "3", "4"]);
    nothing(&mut worker).await;
    came.remove(0).retry_after(100 * MS).await.unwrap();
    let mut came = receive(&mut worker, 1).await;
    assert_eq!(id(&came[0]), "1");
    came.remove(0).ack().await.unwrap();
    let mut came = receive(&mut worker, 1).await;
    assert_eq!(id(&came[0]), "2");
    came.remove(0).dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    assert_eq!(id(&receive(&mut worker, 1).await[0]), "5");
}

#[actix_rt::test]
async fn the_higher_comes_first_and_what_is_held_back_later() {
    let folder = folder();
    let queue = queue(&folder).await;
    let mut packets = [1, 2, 3, 4].map(packet);
    packets[1].priority = 9;
    packets[2].priority = 255;
    packets[3].delay = 200 * MS;
    publish(&queue, &packets).await;
    let mut worker = subscriber(&queue).await;
    assert_eq!(worker.backlog().await.unwrap(), Some(4));
    assert_eq!(ids(&receive(&mut worker, 4).await), ["3", "2", "1", "4"]);
}

#[actix_rt::test]
async fn each_group_gets_everything_from_when_it_is_there() {
    let folder = folder();
    let file = folder.file("orders.db");
    let group = |name: &str| Sqlite::queue("orders").at(&file).group(name);
    let publisher = queue(&folder).await;
    publish(&publisher, &[packet(1)]).await;
    let mut billing = group("billing").await.unwrap();
    let mut mail = group("mail").await.unwrap();
    publish(&publisher, &[packet(2), packet(3)]).await;
    billing.open(10).await.unwrap();
    mail.open(10).await.unwrap();
    // What was there before any group waits for the first.
    let came = receive(&mut billing, 3).await;
    assert_eq!(ids(&came), ["1", "2", "3"]);
    ack(came).await;
    nothing(&mut billing).await;
    let mut came = receive(&mut mail, 2).await;
    assert_eq!(ids(&came), ["2", "3"]);
    came.remove(0).dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    ack(came).await;
    // What died in one group comes back there alone.
    let mut dead = mail.dead_letters();
    assert_eq!(redrive(&mut dead, &mail.for_this_group(), 10).await.unwrap().moved, 1);
    assert_eq!(ids(&receive(&mut mail, 1).await), ["2"]);
    nothing(&mut billing).await;
    // A group that has ended keeps nothing.
    mail.remove_group().await.unwrap();
    publish(&publisher, &[packet(4)]).await;
    ack(receive(&mut billing, 1).await).await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM convoke_message").fetch_one(mail.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[actix_rt::test]
async fn a_twin_is_taken_and_not_delivered() {
    let folder = folder();
    let queue = Sqlite::queue("orders").at(folder.file("orders.db")).deduplicate(LONG).await.unwrap();
    publish(&queue, &[packet(1), packet(1), packet(""), packet("")]).await;
    publish(&queue, &[packet(1), packet(2)]).await;
    let mut worker = subscriber(&queue).await;
    let mut came = receive(&mut worker, 4).await;
    assert_eq!(ids(&came), ["1", "", "", "2"]);
    came.remove(0).dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    ack(came).await;
    assert_eq!(redrive(&mut queue.dead_letters(), &queue, 10).await.unwrap().moved, 1);
    ack(receive(&mut worker, 1).await).await;
    nothing(&mut worker).await;
    let short = Sqlite::queue("other").at(folder.file("orders.db")).deduplicate(MS).await.unwrap();
    publish(&short, &[packet(1)]).await;
    tokio::time::sleep(20 * MS).await;
    publish(&short, &[packet(1)]).await;
    assert_eq!(receive(&mut subscriber(&short).await, 2).await.len(), 2);
}

#[actix_rt::test]
async fn no_more_is_lent_than_was_said() {
    let folder = folder();
    let queue = queue(&folder).await;
    publish(&queue, &(0..10).map(packet).collect::<Vec<_>>()).await;
    let mut worker = queue.clone();
    worker.open(3).await.unwrap();
    let mut came = receive(&mut worker, 3).await;
    nothing(&mut worker).await;
    came.remove(0).ack().await.unwrap();
    assert_eq!(ids(&worker.receive(10).await.unwrap()), ["3"]);
    drop(came);
    assert_eq!(worker.receive(0).await.unwrap().len(), 0);
    worker.close().await.unwrap();
    assert_eq!(kind(worker.receive(1).await), ErrorKind::Closed);
    worker.backlog().await.unwrap().unwrap();
}

#[actix_rt::test]
async fn who_waits_is_woken_by_what_its_process_does_and_by_what_becomes_due() {
    let folder = folder();
    let hour = 3600 * SECOND;
    // Two handles that know nothing of each other, by two names of one file.
    let queue = queue(&folder).await;
    std::os::unix::fs::symlink(folder.path(), folder.file("link")).unwrap();
    let other = Sqlite::queue("orders").at(folder.file("link/orders.db")).poll_every(hour).wait(20 * SECOND);
    let mut worker = other.await.unwrap();
    worker.open(10).await.unwrap();
    let waiting = tokio::task::spawn_local(async move {
        let mut came = worker.receive(10).await.unwrap();
        came.remove(0).retry_after(50 * MS).await.unwrap();
        let mut came = worker.receive(10).await.unwrap();
        assert_eq!(came[0].attempt(), 2);
        came.remove(0).release().await.unwrap();
        ack(worker.receive(10).await.unwrap()).await;
        ids(&worker.receive(10).await.unwrap())
    });
    tokio::time::sleep(50 * MS).await;
    publish(&queue, &[packet(1)]).await;
    while count(&queue, "convoke_delivery").await > 0 {
        tokio::time::sleep(MS).await;
    }
    publish(&queue, &[packet(2)]).await;
    assert_eq!(waiting.await.unwrap(), ["2"]);
}
