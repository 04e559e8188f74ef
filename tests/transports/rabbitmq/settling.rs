//! Prefetch, priorities, ends and dead letters.

use super::*;

#[tokio::test]
async fn no_more_is_lent_than_the_prefetch() {
    let server = server().await;
    let mut orders = queue(server, &fresh("prefetch")).await.unwrap();
    publish(&orders, &packets(10)).await;
    orders.open(3).await.unwrap();
    let mut lent = Vec::new();
    while lent.len() < 3 {
        lent.append(&mut orders.receive(10).await.unwrap());
    }
    assert_eq!(lent.len(), 3);
    nothing_comes(&mut orders).await;
    lent.remove(1).ack().await.unwrap();
    lent.push(next(&mut orders).await);
    nothing_comes(&mut orders).await;
    // What is dropped comes again.
    let (first, fourth) = (lent.remove(0).packet().id.clone(), lent.len());
    assert_eq!((first.as_str(), fourth), ("id-0", 2));
    lent.clear();
    let all = drain(&mut orders, 9).await;
    assert!(!all.contains("id-1"));
}

#[tokio::test]
async fn what_a_closed_or_dropped_subscriber_had_goes_to_the_next() {
    let server = server().await;
    let orders = queue(server, &fresh("closed")).await.unwrap();
    publish(&orders, &packets(20)).await;
    let mut first = orders.clone();
    first.open(20).await.unwrap();
    let lent = next(&mut first).await;
    first.close().await.unwrap();
    let mut second = orders.clone();
    // What is still lent is settled after.
    lent.ack().await.unwrap();
    second.open(20).await.unwrap();
    let lent = next(&mut second).await;
    drop(second);
    lent.release().await.unwrap();
    let mut third = orders.clone();
    let all = drain(&mut third, 19).await;
    assert!(!all.contains("id-0"));
    nothing_comes(&mut third).await;
}

#[tokio::test]
async fn higher_priorities_come_first() {
    let server = server().await;
    let name = fresh("priorities");
    let mut orders = queue(server, &name).classic().priorities(9).await.unwrap();
    let mut some = packets(6);
    for (packet, priority) in some.iter_mut().zip([0, 9, 3, 9, 0, 5]) {
        packet.priority = priority;
    }
    publish(&orders, &some).await;
    orders.open(1).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let delivery = next(&mut orders).await;
        seen.push((delivery.packet().priority, delivery.packet().id.clone()));
        delivery.ack().await.unwrap();
    }
    let expected = [(9, "id-1"), (9, "id-3"), (5, "id-5"), (3, "id-2"), (0, "id-0"), (0, "id-4")];
    assert_eq!(seen, expected.map(|(priority, id)| (priority, id.to_owned())));
    some[0].priority = 10;
    assert_eq!(orders.publish(&some[..1]).await.remove(0).unwrap_err().kind(), ErrorKind::Unsupported);
    let error = queue(server, &name).priorities(9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_queue_that_is_there_without_priorities_is_not_said_to_have_them() {
    let server = server().await;
    for (name, made) in [(fresh("quorum"), None), (fresh("fewer"), Some(5))] {
        let there = queue(server, &name);
        let there = if let Some(highest) = made { there.classic().priorities(highest) } else { there };
        drop(there.await.unwrap());
        let error = queue(server, &name).classic().priorities(9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("has not so many priorities"), "{error}");
    }
    // One whose other arguments are somebody else's may have them, and is not refused.
    let name = fresh("other");
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(9));
    let options = QueueDeclareOptions::durable();
    stranger(server).await.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
    assert_eq!(Publisher::abilities(&queue(server, &name).classic().priorities(9).await.unwrap()).priority, 9);
}

#[tokio::test]
async fn a_dead_letter_is_buried_with_its_record_and_redriven() {
    let server = server().await;
    let name = fresh("dying");
    let mut orders = queue(server, &name).await.unwrap();
    let mut packet = Packet::new("id", "{}");
    packet.attributes.insert("eventName", "OrderPlaced");
    packet.topic = "orders/placed".to_owned();
    packet.key = Some("7".to_owned());
    publish(&orders, &[packet.clone()]).await;
    next(&mut orders).await.retry_after(Duration::ZERO).await.unwrap();
    let errors = vec!["outer".to_owned(), "inner".to_owned()];
    next(&mut orders).await.dead_letter(DeadReason::Permanent, errors.clone()).await.unwrap();
    let mut dead = orders.dead_letters().unwrap().await.unwrap();
    assert_eq!(Source::name(&dead), format!("rabbitmq:{name}-dead"));
    let letter = next(&mut dead).await;
    let record = DeadLetterRecord::of(letter.packet()).unwrap();
    assert_eq!((record.reason, record.errors, record.attempts), (DeadReason::Permanent, errors, 2));
    assert_eq!(record.source, format!("rabbitmq:{name}"));
    assert_eq!(letter.packet().attributes.text("eventName"), Some("OrderPlaced"));
    letter.release().await.unwrap();
    dead.close().await.unwrap();
    assert_eq!(dead.receive(1).await.unwrap_err().kind(), ErrorKind::Closed);
    let redriven = redrive(&mut dead, &orders, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    let delivery = next(&mut orders).await;
    assert_eq!((delivery.packet(), delivery.attempt()), (&packet, 1));
    delivery.ack().await.unwrap();

    // With headers so large that its record does not fit, it goes without.
    let mut large = Packet::new("large", "{}");
    large.attributes.insert("large", "x".repeat(120 * 1024 - 100));
    publish(&orders, &[large]).await;
    let errors = vec!["why".repeat(300); 16];
    next(&mut orders).await.dead_letter(DeadReason::Rejected, errors).await.unwrap();
    dead.open(1).await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!((letter.packet().id.as_str(), DeadLetterRecord::of(letter.packet())), ("large", None));
    letter.ack().await.unwrap();
}

#[tokio::test]
async fn without_a_queue_of_dead_letters_it_says_so_and_keeps_the_delivery() {
    let server = server().await;
    let name = fresh("alone");
    let channel = stranger(server).await;
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let builder = || RabbitMq::queue(&name).at(server.url()).deadline(LONG);
    let mut orders = builder().await.unwrap();
    assert!(!Source::abilities(&orders).dead_letters && orders.dead_letters().is_none());
    publish(&orders, &packets(1)).await;
    let error = next(&mut orders).await.dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    next(&mut orders).await.ack().await.unwrap();
    let error = builder().dead_letter_queue(format!("{name}-dead")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn deliveries_that_end_in_any_order_each_get_their_own_end() {
    let server = server().await;
    let mut orders = queue(server, &fresh("order")).await.unwrap();
    publish(&orders, &packets(600)).await;
    orders.open(100).await.unwrap();
    let mut acked = BTreeSet::new();
    let mut turn = 0_usize;
    let all = timeout(LONG * 2, async {
        let mut lent: Vec<Delivery> = Vec::new();
        while acked.len() < 600 {
            let mut found = orders.receive(37).await.unwrap();
            // Some stay for the next turn, unless nothing else comes.
            let stay = if found.is_empty() { 0 } else { turn % 5 };
            lent.append(&mut found);
            let mut settling = Vec::new();
            while lent.len() > stay {
                turn += 1;
                let delivery = lent.swap_remove(turn * 31 % lent.len());
                let (id, attempt) = (delivery.packet().id.clone(), delivery.attempt());
                // One in four is given back once, by one way or another.
                match (attempt, turn % 8) {
                    (1, 0) => settling.push((None, tokio::spawn(delivery.release()))),
                    (1, 1) => settling.push((None, tokio::spawn(delivery.retry_after(Duration::from_millis(50))))),
                    _ => settling.push((Some(id), tokio::spawn(delivery.ack()))),
                }
            }
            for (id, settled) in settling {
                settled.await.unwrap().unwrap();
                if let Some(id) = id {
                    assert!(acked.insert(id.clone()), "{id} came after it was acknowledged");
                }
            }
        }
    });
    all.await.expect("not all came");
    nothing_comes(&mut orders).await;
    orders.close().await.unwrap();
    assert_eq!(orders.backlog().await.unwrap(), Some(0));
}
