//! What is recorded, and found by its type.

use convoke::testing::expect_failure;

use super::*;

// What is recorded.

#[convoke::test]
async fn an_event_that_came_before_the_wait_is_not_missed() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7)).unwrap();
    let seen = at_once(sync.wait_for_event("orders/*")).await.unwrap();
    assert_eq!((seen.topic().as_str(), seen.name().as_str(), &seen["id"]), ("orders/placed", "OrderPlaced", &json!(7)));
    assert_eq!((seen.number(), seen.at()), (1, Duration::ZERO));
    assert_eq!(seen.metadata().entity, *"Order");
}

#[convoke::test]
async fn an_event_that_came_before_the_synchronizer_is_not_seen() {
    let bus = EventBus::default();
    bus.publish(placed(1)).unwrap();
    bus.publish_retained("orders/kept", json!(1)).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(2)).unwrap();
    assert_eq!(at_once(sync.wait_for_event("**")).await.unwrap()["id"], 2);
    assert_eq!(sync.seen().len(), 1);
}

#[convoke::test]
async fn an_event_that_comes_later_is_waited_for() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let later = bus.clone();
    testing::spawn(async move {
        sleep(2 * SECOND).await;
        later.publish(placed(7)).unwrap();
    });
    let seen = after(2 * SECOND, sync.wait_for_event("orders/placed")).await.unwrap();
    assert_eq!(seen.at(), 2 * SECOND);
}

#[convoke::test]
async fn every_way_to_send_is_recorded_in_its_order() {
    let bus = EventBus::default();
    let _listener = bus.on(|_: &OrderPlaced| {}).unwrap();
    let sync = EventSynchronizer::new(&bus);
    bus.emit(placed(1)).await.ok().unwrap();
    bus.publish(placed(2)).unwrap();
    bus.publish_wait(placed(3)).await.unwrap();
    bus.emit_json("orders/placed", json!({ "id": 4 })).unwrap().await.ok().unwrap();
    bus.publish_json("orders/placed", json!({ "id": 5 })).unwrap();
    bus.publish_retained("orders/placed", json!({ "id": 6 })).unwrap();
    bus.with_correlation(convoke::Uuid::from_u128(7)).publish(placed(7)).unwrap();
    drop(bus.emit(placed(8)));
    let seen: Vec<_> = sync.seen().iter().map(|seen| seen["id"].as_u64().unwrap()).collect();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sync.seen()[6].metadata().correlation, convoke::Uuid::from_u128(7));
    bus.drain().await;
}

#[convoke::test]
async fn what_a_listener_refuses_has_not_come() {
    let bus = EventBus::default();
    let full = |_: &OrderPlaced| {};
    let _full = bus.on(full.capacity(1).all_or_none()).unwrap();
    let sync = EventSynchronizer::new(&bus);
    bus.publish(placed(1)).unwrap();
    bus.publish(placed(2)).unwrap_err();
    assert_eq!(sync.seen().len(), 1);
    // The places are given back as without it.
    bus.drain().await;
    bus.publish(placed(3)).unwrap();
    bus.drain().await;
    assert_eq!(sync.seen().len(), 2);
}

#[convoke::test]
async fn it_is_no_listener() {
    let bus = EventBus::default();
    let sync = EventSynchronizer::new(&bus);
    assert!(bus.subscriptions().is_empty());
    assert_eq!(bus.emit(placed(1)).await.to_string(), "OrderPlaced: 0 listeners, 0 failed");
    bus.publish(placed(2)).unwrap();
    bus.publish_wait(placed(3)).await.unwrap();
    assert_eq!((bus.unheard(), sync.seen().len()), (3, 3));
}

#[convoke::test]
async fn it_does_not_hold_the_bus() {
    let bus = EventBus::default();
    let dropped = Arc::new(());
    let held = dropped.clone();
    bus.on(move |_: &OrderPlaced| drop(held.clone())).unwrap().forever();
    let sync = EventSynchronizer::new(&bus);
    drop(bus);
    testing::settle().await;
    assert_eq!(Arc::strong_count(&dropped), 1, "the bus has not closed");
    at_once(sync.settled()).await.unwrap();
}

#[convoke::test]
async fn when_it_is_dropped_nothing_is_left_of_it_nor_of_what_it_saw() {
    #[derive(Event)]
    #[event(local)]
    struct Holding(#[expect(dead_code, reason = "it is only held")] Arc<()>);

    let bus = EventBus::default();
    let held = Arc::new(());
    let sync = EventSynchronizer::new(&bus);
    let part = sync.watch_type::<Holding>();
    bus.publish(Holding(held.clone())).unwrap();
    bus.emit(Holding(held.clone())).await.ok().unwrap();
    assert_eq!((sync.seen().len(), part.seen().len(), Arc::strong_count(&held)), (2, 2, 3));
    drop(sync);
    assert_eq!(Arc::strong_count(&held), 3);
    drop(part);
    assert_eq!(Arc::strong_count(&held), 1);
    bus.emit(Holding(held.clone())).await.ok().unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[convoke::test]
async fn its_record_is_bounded() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus).keeping(2);
    for id in 1..=4 {
        bus.publish(placed(id)).unwrap();
    }
    assert_eq!(numbers(&sync.seen()), [3, 4]);
    assert_eq!(at_once(sync.wait_for::<OrderPlaced>()).await.unwrap().id, 3);
    let missing = after(SECOND, sync.wait_for_event("nothing").timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`nothing` did not come within 1s\n\
         what has come:\n\
         \x20 … 2 before them\n\
         \x20 #3 after 0ns orders/placed OrderPlaced {\"id\":3}\n\
         \x20 #4 after 0ns orders/placed OrderPlaced {\"id\":4}"
    );
    drop(sync);

    let unbounded = EventSynchronizer::new(&bus);
    for id in 0..10_001 {
        bus.publish(placed(id)).unwrap();
    }
    assert_eq!((unbounded.seen().len(), unbounded.seen()[0].number()), (10_000, 2));
}

// By type.

#[convoke::test]
async fn an_event_is_waited_for_by_its_type() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    for id in [5, 6, 7] {
        bus.publish(placed(id)).unwrap();
    }
    sleep(SECOND).await;
    let order = at_once(sync.wait_for::<OrderPlaced>().when(|order| order.id == 6)).await.unwrap();
    assert_eq!((&*order, order.at(), order.seen().number()), (&placed(6), Duration::ZERO, 2));
    let order: Arc<OrderPlaced> = order.into_event();
    assert_eq!(*order, placed(6));
    assert_eq!(at_once(sync.wait_for::<OrderPlaced>()).await.unwrap().id, 7);
}

#[convoke::test]
async fn what_came_as_json_is_of_its_type_if_it_has_the_form() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish_json("orders/placed", json!({ "id": "none" })).unwrap();
    bus.publish_json("orders/placed", json!({ "id": 7 })).unwrap();
    assert_eq!(at_once(sync.wait_for::<OrderPlaced>()).await.unwrap().id, 7);
    assert_eq!(sync.seen()[0].event::<OrderPlaced>(), None);
}

#[convoke::test]
async fn a_local_event_is_seen_by_its_type_and_not_by_its_topic() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(Packed(Parcel(7))).unwrap();
    // A topic of a local event is not a place where JSON becomes one.
    bus.publish_json("orders/packed", json!({})).unwrap();
    let mut part = sync.watch_type::<Packed>();
    bus.publish(Packed(Parcel(8))).unwrap();
    bus.publish_json("orders/packed", json!({})).unwrap();
    assert_eq!(at_once(sync.wait_for::<Packed>()).await.unwrap().0.0, 7);
    assert_eq!(sync.seen()[0].payload(), &json!(null));
    assert_eq!(at_once(part.wait_for::<Packed>()).await.unwrap().0.0, 8);
    assert_eq!(part.seen().len(), 1);
    let missing = sync.watch("**").unwrap().wait_for_event("orders/packed").timeout(SECOND).await.unwrap_err();
    assert_eq!(missing.to_string(), "`orders/packed` did not come within 1s\nnothing has come");
    let missing = at_once(sync.wait_for::<Packed>().when(|packed| packed.0.0 == 9).timeout(Duration::ZERO)).await;
    assert_eq!(
        missing.unwrap_err().to_string(),
        "`Packed` did not come within 0ns\n\
         what has come:\n\
         \x20 #1 after 0ns orders/packed Packed (local: no form as JSON)  <- an earlier wait has passed it\n\
         \x20 #2 after 0ns orders/packed {}\n\
         \x20 #3 after 0ns orders/packed Packed (local: no form as JSON)  <- the condition is not true of it\n\
         \x20 #4 after 0ns orders/packed {}"
    );
}

#[convoke::test]
async fn dead_letters_are_seen_and_say_why_something_did_not_happen() {
    expect_failure("mail");
    let bus = EventBus::default();
    let mail = |_: &OrderPlaced| Err::<(), _>("no connection");
    let _mail = bus.on(mail.named("mail")).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7)).unwrap();
    let missing = after(SECOND, sync.wait_for_event("orders/mailed").timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`orders/mailed` did not come within 1s\n\
         what has come:\n\
         \x20 #1 after 0ns orders/placed OrderPlaced {\"id\":7}\n\
         \x20 #2 after 0ns convoke/dead-letter DeadLetter dead letter 1: OrderPlaced: `mail` failed: no connection"
    );
    assert_eq!(at_once(sync.wait_for::<DeadLetter>()).await.unwrap().event, "OrderPlaced");
}

#[convoke::test]
async fn a_request_is_shown_and_meets_no_wait() {
    let bus = EventBus::default();
    let _prices = bus.answer(|asked: &PriceAsked| Answer(asked.item * 3)).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    assert_eq!(bus.request::<u64>(PriceAsked { item: 7 }).await.unwrap(), 21);
    assert_eq!(bus.request_all::<u64>(PriceAsked { item: 8 }).await.unwrap(), [24]);
    assert!(sync.seen().iter().all(Seen::is_request));
    let missing = after(SECOND, sync.wait_for::<PriceAsked>().timeout(SECOND)).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`PriceAsked` did not come within 1s\n\
         what has come:\n\
         \x20 #1 after 0ns prices/asked PriceAsked {\"item\":7} (a request)\n\
         \x20 #2 after 0ns prices/asked PriceAsked {\"item\":8} (a request)"
    );
}
