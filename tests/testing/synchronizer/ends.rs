//! Time, what a failure says, and elsewhere.

use super::*;

// Time.

#[convoke::test]
async fn a_wait_ends_exactly_when_its_time_is_over_and_5_s_is_the_default() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let missing = after(5 * SECOND, sync.wait_for_event("orders/*")).await.unwrap_err();
    assert_eq!(missing.to_string(), "`orders/*` did not come within 5s\nnothing has come");
    assert_eq!(missing.missing(), ["orders/*"]);
    after(3 * SECOND, sync.wait_for::<OrderPlaced>().timeout(3 * SECOND)).await.unwrap_err();
    after(Duration::ZERO, sync.wait_for_events(["a"]).timeout(Duration::ZERO)).await.unwrap_err();
}

#[convoke::test]
async fn an_event_that_comes_in_the_last_moment_is_in_time() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    for (wait, in_time) in [(ms(1000), true), (ms(1001), false)] {
        let later = bus.clone();
        testing::spawn(async move {
            sleep(wait).await;
            later.publish(placed(7)).unwrap();
        });
        assert_eq!(sync.wait_for_event("orders/*").timeout(SECOND).await.is_ok(), in_time, "{wait:?}");
        sleep(SECOND).await;
    }
}

#[convoke::test]
async fn grace_lets_everything_settle_before_the_wait_returns() {
    let bus = EventBus::default();
    let billed = Rc::new(Cell::new(false));
    let bill = billed.clone();
    let slow = async move |_: Arc<OrderPlaced>| {
        sleep(ms(300)).await;
        bill.set(true);
    };
    let _billing = bus.on(slow).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7)).unwrap();
    at_once(sync.wait_for_event("orders/*")).await.unwrap();
    assert!(!billed.get());
    sync.rewind();
    after(ms(300), sync.wait_for_event("orders/*").grace(ms(300))).await.unwrap();
    assert!(billed.get());
    // Who waits in vain is not kept longer.
    after(SECOND, sync.wait_for_event("x").timeout(SECOND).grace(SECOND)).await.unwrap_err();
}

#[convoke::test]
async fn what_is_to_stay_away_is_looked_for_all_the_time() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    after(SECOND, sync.expect_none("orders/*").within(SECOND)).await.unwrap();
    after(5 * SECOND, sync.expect_none_of::<OrderPlaced>()).await.unwrap();
    let later = bus.clone();
    testing::spawn(async move {
        sleep(ms(200)).await;
        later.publish(OrderClosed { id: 6 }).unwrap();
        later.publish(placed(7)).unwrap();
    });
    let came = after(ms(200), sync.expect_none(["orders/lost", "orders/placed"]).within(SECOND)).await.unwrap_err();
    assert_eq!(
        came.to_string(),
        "`orders/placed` came, and was to stay away for 1s\n\
         what has come:\n\
         \x20 #1 after 6.2s orders/closed OrderClosed {\"id\":6}\n\
         \x20 #2 after 6.2s orders/placed OrderPlaced {\"id\":7}  <- this was not to come"
    );
    assert!(came.missing().is_empty());
    // It has come before the look began, and nobody has taken it.
    at_once(sync.expect_none_of::<OrderPlaced>().within(SECOND)).await.unwrap_err();
    at_once(sync.wait_for_event("orders/placed")).await.unwrap();
    after(SECOND, sync.expect_none_of::<OrderPlaced>().within(SECOND)).await.unwrap();
}

#[convoke::test]
async fn settled_means_that_nothing_is_in_flight() {
    let bus = EventBus::default();
    let done = Rc::new(Cell::new(0));
    let count = done.clone();
    // A chain of three listeners, each of which takes its time.
    let chain = async move |order: Arc<OrderPlaced>, bus: EventBus| {
        sleep(SECOND).await;
        count.set(count.get() + 1);
        if order.id < 3 {
            bus.publish(placed(order.id + 1)).unwrap();
        }
    };
    let _chain = bus.on(chain.named("chain")).unwrap();
    let sync = EventSynchronizer::new(&bus);
    at_once(sync.settled()).await.unwrap();
    bus.publish(placed(1)).unwrap();
    after(3 * SECOND, sync.settled()).await.unwrap();
    assert_eq!(done.get(), 3);

    bus.publish(placed(3)).unwrap();
    bus.publish(placed(3)).unwrap();
    bus.publish(placed(3)).unwrap();
    let busy = after(ms(500), sync.settled().timeout(ms(500))).await.unwrap_err();
    assert_eq!(
        busy.to_string(),
        "not at rest within 500ms; in flight:\n\
         \x20 2 events waiting for `chain`\n\
         \x20 the listener `chain` at work on OrderPlaced"
    );
    assert_eq!(format!("{busy:?}"), busy.to_string());
    after(ms(2500), sync.settled()).await.unwrap();
}

// What a failure says.

#[convoke::test]
async fn a_list_is_short_and_hides_personal_data() {
    struct Unwritable;

    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no\nwords"))
        }
    }

    impl<'de> Deserialize<'de> for Unwritable {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    #[derive(Event, Serialize, Deserialize)]
    struct Broken(Unwritable);

    let bus = EventBus::default();
    let _known = bus.on(|_: &UserRegistered| {}).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    for id in 0..16 {
        bus.publish(placed(id)).unwrap();
    }
    sleep(ms(1500)).await;
    bus.publish(UserRegistered { mail: "ada@example.org".to_owned() }).unwrap();
    bus.publish_json("users/registered", json!({ "mail": "ada@example.org" })).unwrap();
    bus.publish_json("long", json!("ä".repeat(100))).unwrap();
    bus.publish(Broken(Unwritable)).unwrap();
    for id in 16..30 {
        bus.publish(placed(id)).unwrap();
    }
    let missing = after(SECOND, sync.wait_for_event("x").timeout(SECOND)).await.unwrap_err();
    let text = missing.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 23, "{text}");
    assert_eq!(
        lines[..9],
        [
            "`x` did not come within 1s",
            "what has come:",
            "  … 14 before them",
            "  #15 after 0ns orders/placed OrderPlaced {\"id\":14}",
            "  #16 after 0ns orders/placed OrderPlaced {\"id\":15}",
            "  #17 after 1.5s users/registered UserRegistered (hidden: personal data)",
            "  #18 after 1.5s users/registered (hidden: personal data)",
            &format!("  #19 after 1.5s long \"{}…", "ä".repeat(79)),
            "  #20 after 1.5s Broken (no form as JSON: it could not be told: the payload on `Broken` is not that of `Broken`: no\\nwords)",
        ]
    );
    assert!(!format!("{sync:?}{:?}{:#?}", sync.seen(), sync.seen()).contains("ada@"));
    assert_eq!(sync.seen()[16]["mail"], "ada@example.org", "whoever asks is told");
}

#[convoke::test]
#[should_panic(
    expected = "called `Result::unwrap()` on an `Err` value: `orders/placed` did not come within 5s\nnothing has come"
)]
async fn unwrap_shows_the_text_as_it_is() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    sync.wait_for_event("orders/placed").await.unwrap();
}

#[convoke::test]
async fn what_is_no_pattern_is_said_at_once() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let bad = "`orders/` has an empty segment: begin, end and part it by single slashes";
    let error = convoke::Pattern::new("orders/").unwrap_err().to_string();
    let said = at_once(sync.wait_for_event("orders/")).await.unwrap_err();
    assert_eq!((said.to_string(), said.missing().len()), (error.clone(), 0), "{bad}");
    assert_eq!(at_once(sync.wait_for_events(["a", "orders/"])).await.unwrap_err().to_string(), error);
    assert_eq!(at_once(sync.expect_none("orders/")).await.unwrap_err().to_string(), error);
    assert_eq!(sync.watch("orders/").unwrap_err().to_string(), error);
}

// Elsewhere.

#[convoke::test]
async fn it_works_within_an_error_that_a_test_returns() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish(placed(7))?;
    sync.wait_for::<OrderPlaced>().await?;
    Ok(())
}

#[test]
fn it_hears_other_threads_in_real_time() {
    on_a_system(async {
        let bus = EventBus::default();
        let mut sync = EventSynchronizer::new(&bus);
        let there = bus.clone();
        let thread = std::thread::spawn(move || {
            there.publish(placed(1)).unwrap();
            there.publish_json("orders/closed", json!({ "id": 1 })).unwrap();
        });
        let seen =
            sync.wait_for_events(["orders/placed", "orders/closed"]).in_order().timeout(60 * SECOND).await.unwrap();
        assert_eq!(numbers(&seen), [1, 2]);
        thread.join().unwrap();
        sync.settled().timeout(60 * SECOND).await.unwrap();
    });
}

#[convoke::test(seeds = 200)]
async fn under_every_seed_what_is_caused_comes_behind_its_cause() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus);
    let close = |order: &OrderPlaced, bus: EventBus| bus.publish(OrderClosed { id: order.id });
    let _close = bus.on(close).unwrap();
    for id in 0..3 {
        let bus = bus.clone();
        testing::spawn(async move { bus.publish(placed(id)).unwrap() });
    }
    sync.wait_for_events(["orders/placed", "orders/closed"]).in_order().await.unwrap();
    sync.settled().await.unwrap();
    let seen = sync.seen();
    for id in 0..3 {
        let place = |topic: &str| seen.iter().position(|seen| seen.topic() == topic && seen["id"] == id).unwrap();
        assert!(place("orders/placed") < place("orders/closed"), "{seen:?}");
        let (cause, caused) = (&seen[place("orders/placed")], &seen[place("orders/closed")]);
        assert_eq!(caused.metadata().causation, Some(cause.metadata().id));
    }
}
