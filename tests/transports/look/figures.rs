//! How full queues are, and that looking makes nothing.

use std::time::Duration;

use convoke::look::{QueueFigures, Server};
use convoke::transport::{AnyQueue, DeadReason, ErrorKind, Publisher, Source};

use super::place::name;
use super::{Place, look, open, packet, publish, receive, until};

pub(super) async fn what_waits_is_lent_and_dead_is_counted_as_far_as_the_server_tells(place: &Place) {
    let name = name("orders");
    let queue = open(place, &name).await;
    let server = look(place, &name).await;
    let none = server.queue(&name).await.unwrap();
    assert_eq!((none.waiting, none.dead), (Some(0), Some(0)));
    assert_eq!(none.oldest, None, "nothing waits");

    publish(&queue, &[packet(1), packet(2), packet(3)]).await;
    let can_delay = Publisher::abilities(&queue).delay.is_some();
    if can_delay {
        let mut later = packet(4);
        later.delay = Duration::from_secs(600);
        publish(&queue, &[later]).await;
    }
    let mut worker = queue.clone();
    worker.open(1).await.unwrap();
    let lent = receive(&mut worker, 1).await.pop().unwrap();
    until("one is lent", async || server.queue(&name).await.unwrap().waiting == Some(2)).await;
    let figures = server.queue(&name).await.unwrap();
    assert_eq!(figures.name, name);
    assert_eq!(figures.in_flight, place.tells_in_flight.then_some(1));
    assert_eq!(figures.delayed, place.tells_delayed.then_some(u64::from(can_delay)));
    assert_eq!(figures.parked, place.tells_parked.then_some(0));
    assert_eq!(figures.oldest.is_some(), place.tells_oldest, "{figures:?}");
    assert!(figures.oldest.is_none_or(|oldest| oldest < Duration::from_secs(600)));

    lent.dead_letter(DeadReason::Permanent, vec!["no such book".to_owned()]).await.unwrap();
    until("one is dead", async || server.queue(&name).await.unwrap().dead == Some(1)).await;
    worker.close().await.unwrap();
    until("what it had is back", async || server.queue(&name).await.unwrap().waiting == Some(2)).await;

    // All that there are: the queue of dead letters is counted, and not listed.
    let all: Vec<QueueFigures> = server.queues().await.unwrap();
    let ours: Vec<_> = all.iter().filter(|queue| queue.name.starts_with(&name)).collect();
    assert_eq!(ours.len(), 1, "{all:?}");
    assert_eq!((ours[0].name.as_str(), ours[0].waiting, ours[0].dead), (name.as_str(), Some(2), Some(1)));
    let names: Vec<_> = all.iter().map(|queue| &queue.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    if !place.lists {
        let error = Server::connect(&place.server()).await.unwrap().queues().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

pub(super) async fn looking_makes_nothing(place: &Place) {
    // There is a database, with another queue.
    let there = name("orders");
    let _queue = open(place, &there).await;
    let missing = name("nobody");
    for _ in 0..2 {
        let server = look(place, &missing).await;
        let error = server.queue(&missing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
        assert!(error.to_string().contains(&missing), "{error}");
        // SQS has nothing to read from, and says so.
        match server.letters(&missing).page(None, 10).await {
            Ok(letters) => assert!(letters.is_empty()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Missing, "{error}"),
        }
        let heard = server.tail(&missing).await.unwrap_err();
        assert!(matches!(heard.kind(), ErrorKind::Missing | ErrorKind::Unsupported), "{heard}");
        let opened = AnyQueue::existing(&place.address(&missing)).await.unwrap_err();
        assert_eq!(opened.kind(), ErrorKind::Missing, "{opened}");
        if place.lists {
            let all = server.queues().await.unwrap();
            assert!(all.iter().all(|queue| !queue.name.starts_with(&missing)), "{all:?}");
            assert!(all.iter().any(|queue| queue.name == there), "{all:?}");
        }
    }
}

pub(super) async fn a_group_has_figures_of_its_own(place: &Place) {
    if !place.has_groups {
        return;
    }
    let name = name("orders");
    let queue = open(place, &name).await;
    let group = format!("{name}/billing");
    let mut billing = open(place, &group).await;
    // The group without a name is there once somebody has opened it.
    let mut plain = queue.clone();
    plain.open(10).await.unwrap();
    billing.open(10).await.unwrap();
    publish(&queue, &[packet(1), packet(2)]).await;
    for delivery in receive(&mut billing, 2).await {
        delivery.ack().await.unwrap();
    }
    let server = look(place, &name).await;
    let of = async |name: &str| server.queue(name).await.unwrap().waiting;
    assert_eq!((of(&name).await, of(&group).await), (Some(2), Some(0)));
    let all = server.queues().await.unwrap();
    let ours: Vec<_> = all.iter().map(|queue| queue.name.as_str()).filter(|all| all.starts_with(&name)).collect();
    assert_eq!(ours, [name.as_str(), group.as_str()]);
    let error = server.queue(&format!("{name}/nobody")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    let error = AnyQueue::existing(&place.address(&format!("{name}/nobody"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    AnyQueue::existing(&place.address(&group)).await.unwrap();
}
