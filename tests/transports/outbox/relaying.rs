//! What leaves an outbox, and how often.

use std::collections::HashSet;

use convoke::codec::CloudEvents;
use convoke::prelude::*;
use convoke::transport::Abilities;

use super::{Base, Closed, Mode, Taker, empty, moved, publish, quick, relay, shop, until};

fn in_order() -> Abilities {
    let mut abilities = Abilities::default();
    (abilities.order, abilities.takes_in_order) = (true, true);
    abilities
}

pub(crate) async fn many_leave_once_and_nothing_is_left<B: Base>() {
    for taker in [Taker::new(), Taker::with(in_order())] {
        let base = B::new().await;
        let outbox = shop(&base).await;
        publish(&base, &outbox, (0..1_500).map(|number| moved(number % 700, number / 700))).await;
        let relay = relay::<B>(&outbox, &taker).await;
        publish(&base, &outbox, (0..1_000).map(|number| moved(number % 700, 10 + number / 700))).await;
        taker.has(2_500).await;
        let ids: HashSet<_> = taker.packets().into_iter().map(|packet| packet.id).collect();
        assert_eq!(ids.len(), 2_500);
        assert!(taker.steps().values().all(|steps| steps.is_sorted()));
        empty::<B>(&outbox).await;
        assert_eq!(relay.stop().await.error, None);
    }
}

pub(crate) async fn a_server_that_is_away_holds_up_and_loses_nothing<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Away);
    let mut relay = outbox.relay(Route::new("Shop/*", taker.clone()).retry(quick()));
    let probe = relay.probe();
    assert!(probe.health().ended);
    let _relay = relay.supervised(&EventBus::default()).await.unwrap();
    publish(&base, &outbox, (0..20).map(|number| moved(number % 4, number / 4))).await;
    taker.asked().await;
    taker.asked().await;
    until("it says so", async || !probe.health().connected && probe.health().trouble.is_some()).await;
    assert_eq!(outbox.figures().await.unwrap().ready, 20);
    // A queue that is not there is no fault of the event, and neither is a right that we do not have.
    for mode in [Mode::Missing, Mode::Denied] {
        taker.set(mode);
        taker.asked().await;
        taker.asked().await;
        let figures = outbox.figures().await.unwrap();
        assert_eq!((figures.ready, figures.dead), (20, 0), "{mode:?}");
    }
    taker.set(Mode::Take);
    taker.has(20).await;
    assert!(taker.steps().values().all(|steps| *steps == [0, 1, 2, 3, 4]));
    empty::<B>(&outbox).await;
    let health = probe.health();
    assert!(health.connected && health.healthy && health.trouble.is_none() && health.sent == 20, "{health}");
}

pub(crate) async fn a_publisher_that_panics_is_tried_again<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Panic);
    let mut relay = outbox.relay(Route::new("Shop/*", taker.clone()).retry(quick()));
    let probe = relay.probe();
    let relay = relay.supervised(&EventBus::default()).await.unwrap();
    publish(&base, &outbox, [moved(1, 1), moved(1, 2)]).await;
    taker.asked().await;
    until("it says so", async || {
        probe.health().trouble.is_some_and(|trouble| trouble.contains("panicked") && trouble.contains("as it was told"))
    })
    .await;
    taker.set(Mode::Take);
    taker.has(2).await;
    assert_eq!(relay.stop().await.restarts, 0);
}

pub(crate) async fn a_relay_that_stops_finishes_what_is_at_the_server<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Hang);
    let first = relay::<B>(&outbox, &taker).await;
    publish(&base, &outbox, [moved(1, 1)]).await;
    until("it is asked", async || taker.calls() == 1).await;
    let stopped = actix_rt::spawn(async move { first.stop().await });
    tokio::task::yield_now().await;
    publish(&base, &outbox, [moved(1, 2)]).await;
    taker.set(Mode::Take);
    assert_eq!(stopped.await.unwrap().error, None);
    assert_eq!(taker.steps()[&1][0], 1);
    // Its lanes are free at once.
    let _second = relay::<B>(&outbox, &taker).await;
    taker.has(2).await;
    assert_eq!(taker.steps()[&1], [1, 2]);
}

pub(crate) async fn what_a_relay_has_left_the_next_one_finds<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Away);
    let first = relay::<B>(&outbox, &taker).await;
    publish(&base, &outbox, (0..9).map(|number| moved(number % 3, number / 3))).await;
    taker.asked().await;
    assert_eq!(first.stop().await.error, None);
    assert_eq!(outbox.figures().await.unwrap().ready, 9);
    taker.set(Mode::Take);
    let _second = relay::<B>(&outbox, &taker).await;
    taker.has(9).await;
    assert!(taker.steps().values().all(|steps| *steps == [0, 1, 2]));
}

pub(crate) async fn every_route_that_matches_has_the_event<B: Base>() {
    let (base, one, all) = (B::new().await, Taker::new(), Taker::new());
    let outbox = shop(&base).await;
    let relay = outbox.relay(Route::new("Shop/Moved", one.clone())).and(Route::new("Shop/*", all.clone()));
    let _relay = relay.supervised(&EventBus::default()).await.unwrap();
    let mut transaction = base.begin().await;
    outbox.publish(&mut transaction, moved(1, 1)).await.unwrap();
    outbox.publish(&mut transaction, Closed { text: String::new() }).await.unwrap();
    B::commit(transaction).await;
    all.has(2).await;
    one.has(1).await;
    empty::<B>(&outbox).await;
}

pub(crate) async fn another_codec_and_attributes_are_as_in_a_route<B: Base>() {
    let (base, taker) = (B::new().await, Taker::with(in_order()));
    let outbox = shop(&base).await;
    let route = Route::new("Shop/*", taker.clone())
        .codec(CloudEvents::structured())
        .attribute("order", |event| event.payload["order"].as_u64())
        .ordered_by(|event| Some(format!("order {}", event.payload["order"])));
    let _relay = outbox.relay(route).supervised(&EventBus::default()).await.unwrap();
    publish(&base, &outbox, [moved(7, 1)]).await;
    taker.has(1).await;
    let packets = taker.packets();
    assert_eq!(packets[0].key.as_deref(), Some("order 7"));
    assert_eq!(packets[0].attributes.get("order").unwrap().text(), "7");
    assert!(packets[0].attributes.text("content-type").unwrap().starts_with("application/cloudevents"));
    assert_eq!(taker.envelopes()[0].payload["step"], 1);
}

pub(crate) async fn two_relays_share_the_events<B: Base>() {
    let (base, one, two) = (B::new().await, Taker::new(), Taker::new());
    let outbox = shop(&base).await;
    let mut relays = Vec::new();
    let mut probes = Vec::new();
    for taker in [&one, &two] {
        let mut relay = outbox.relay(Route::new("Shop/*", taker.clone()));
        probes.push(relay.probe());
        relays.push(relay.supervised(&EventBus::default()).await.unwrap());
    }
    until("each has half of the lanes", async || probes.iter().all(|probe| probe.health().lanes == 8)).await;
    publish(&base, &outbox, (0..400).map(|number| moved(number % 100, number / 100))).await;
    until("all were taken", async || one.packets().len() + two.packets().len() >= 400).await;
    let (ones, twos) = (one.steps(), two.steps());
    assert_eq!((ones.len() + twos.len(), one.packets().len() + two.packets().len()), (100, 400));
    assert!(!ones.is_empty() && !twos.is_empty());
    assert!(ones.values().chain(twos.values()).all(|steps| *steps == [0, 1, 2, 3]));
    // Whoever is left has all of them.
    drop(relays.pop());
    until("it has all lanes", async || probes[0].health().lanes == 16).await;
}
