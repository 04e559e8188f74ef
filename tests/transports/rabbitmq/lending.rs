//! What is lent, and to whom: a subscriber that is to be lent nothing keeps nothing from the others.

use super::*;

/// How soon others have what somebody gives back, with room for a machine that does other things.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_subscriber_that_is_lent_nothing_more_keeps_what_it_holds_and_nothing_else() {
    let server = server().await;
    for builder in [queue(server, &fresh("stopped")), queue(server, &fresh("stopped")).classic()] {
        let orders = builder.await.unwrap();
        publish(&orders, &packets(20)).await;
        let (mut paused, mut other) = (orders.clone(), orders.clone());
        paused.open(20).await.unwrap();
        let mut held = Vec::new();
        while held.len() < 3 {
            held.append(&mut paused.receive(3 - held.len()).await.unwrap());
        }
        other.open(20).await.unwrap();
        nothing_comes(&mut other).await;

        let asked = Instant::now();
        paused.stop_lending().await.unwrap();
        let rest = drain(&mut other, 17).await;
        assert!(asked.elapsed() < SOON, "it took {:?}", asked.elapsed());
        assert!(held.iter().all(|delivery| !rest.contains(&delivery.packet().id)));
        // What it holds is its own: done, or somebody else's.
        let (id, released) = (held[2].packet().id.clone(), held.pop().unwrap());
        released.release().await.unwrap();
        let delivery = next(&mut other).await;
        assert_eq!((delivery.packet().id.clone(), delivery.attempt()), (id, 1));
        delivery.ack().await.unwrap();
        for delivery in held {
            delivery.ack().await.unwrap();
        }
        // Nothing is lent to it until it asks.
        publish(&orders, &packets(1)).await;
        drain(&mut other, 1).await;
        other.close().await.unwrap();
        paused.stop_lending().await.unwrap();
        publish(&orders, &packets(5)).await;
        until(async || orders.clone().backlog().await.unwrap() == Some(5)).await;
        drain(&mut paused, 5).await;
        assert_eq!(paused.backlog().await.unwrap(), Some(0));
    }
}

#[tokio::test]
async fn a_stop_that_nobody_waits_for_loses_nothing() {
    let server = server().await;
    let mut orders = queue(server, &fresh("hurried")).await.unwrap();
    publish(&orders, &packets(100)).await;
    orders.open(100).await.unwrap();
    next(&mut orders).await.ack().await.unwrap();
    for patience in 0..10 {
        // Dropped at any point of it.
        let _ = timeout(Duration::from_micros(patience * 300), orders.stop_lending()).await;
        let found = orders.receive(3).await.unwrap();
        drop(found);
    }
    let all = drain(&mut orders, 99).await;
    assert!(!all.contains("id-0"));
    nothing_comes(&mut orders).await;
}

#[tokio::test]
async fn a_subscriber_may_be_lent_more_and_fewer_than_it_was_opened_with() {
    let server = server().await;
    for builder in [queue(server, &fresh("elastic")), queue(server, &fresh("elastic")).classic()] {
        let orders = builder.await.unwrap();
        publish(&orders, &packets(100)).await;
        let (mut one, mut other) = (orders.clone(), orders.clone());
        one.open(2).await.unwrap();
        let held = next(&mut one).await;
        assert!(one.lend_up_to(10).await.unwrap());
        // What the first limit has let through and nobody has received is not lost by it.
        let mut more = vec![held];
        until(async || {
            more.append(&mut one.receive(100).await.unwrap());
            more.len() >= 10
        })
        .await;
        let first: Vec<_> = more.iter().map(|delivery| delivery.packet().id.clone()).collect();
        assert_eq!(first[..10], (0..10).map(|id| format!("id-{id}")).collect::<Vec<_>>());
        assert!(more.iter().all(|delivery| delivery.attempt() == 1));
        for delivery in more {
            delivery.ack().await.unwrap();
        }
        one.stop_lending().await.unwrap();
        assert!(one.lend_up_to(1).await.unwrap());
        let held = next(&mut one).await;
        other.open(100).await.unwrap();
        let rest = drain(&mut other, 99 - first.len()).await;
        nothing_comes(&mut other).await;
        assert!(!rest.contains(&held.packet().id));
        held.ack().await.unwrap();
        assert_eq!(orders.clone().backlog().await.unwrap(), Some(0));
    }
}
