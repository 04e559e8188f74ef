//! `FakeBus`: what code under test emits, published or requested is recorded, and nobody is called.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::testing::{self, FakeBus};
use convoke::{AskError, Uuid};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{SECOND, at_once, in_a_process_of_its_own, ms, settled, sleep};

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(topic = "orders/closed", retained)]
struct OrderClosed {
    id: u64,
}

/// Has no form as JSON.
#[derive(Event, Debug)]
#[event(local)]
struct Packed(u8);

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "prices/asked")]
struct PriceAsked {
    item: u64,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
struct UserRegistered {
    mail: String,
}

const fn placed(id: u64) -> OrderPlaced {
    OrderPlaced { id }
}

/// The text with which this fails.
fn failure(assert: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(assert)).expect_err("it passed").downcast::<String>().unwrap()
}

// What is recorded.

#[convoke::test]
async fn every_way_to_send_is_recorded_and_nobody_is_called() {
    let fake = FakeBus::new();
    let bus = fake.bus();
    let full = |_: &OrderPlaced| -> () { panic!("called") };
    let _called = bus.on(|_: &OrderPlaced| -> () { panic!("called") }).unwrap();
    let _full = bus.on(full.capacity(1).overflow(Overflow::Refuse)).unwrap();
    let _topics = bus.on_topic("**", |_: &JsonEvent| -> () { panic!("called") }).unwrap();

    let report = bus.emit(placed(1)).await;
    assert_eq!(report.to_string(), "OrderPlaced: 0 listeners, 0 failed");
    for id in 2..=4 {
        bus.publish(placed(id)).unwrap();
    }
    at_once(bus.publish_wait(placed(5))).await.unwrap();
    at_once(bus.publish_wait(placed(6))).await.unwrap();
    assert!(at_once(bus.emit_json("orders/placed", json!({ "id": 7 })).unwrap().timed()).await.is_empty());
    bus.publish_json("orders/placed", json!({ "id": 8 })).unwrap();
    bus.publish_retained("orders/placed", json!({ "id": 9 })).unwrap();
    bus.with_correlation(Uuid::from_u128(7)).publish(placed(10)).unwrap();
    bus.publish_json("orders/", json!({})).unwrap_err();
    drop(bus.emit(placed(11)));
    at_once(bus.drain()).await;
    settled().await;

    let ids: Vec<_> = fake.emitted::<OrderPlaced>().iter().map(|order| order.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(fake.seen()[9].metadata().correlation, Uuid::from_u128(7));
    assert_eq!((bus.dead_letters().len(), bus.unheard()), (0, 0));
    assert!(bus.subscriptions().iter().all(|info| (info.done, info.failed, info.waiting) == (0, 0, 0)));
}

#[convoke::test]
async fn nothing_is_retained() {
    let fake = FakeBus::new();
    let bus = fake.bus();
    bus.publish(OrderClosed { id: 1 }).unwrap();
    at_once(bus.publish_wait(OrderClosed { id: 2 })).await.unwrap();
    bus.emit(OrderClosed { id: 3 }).await.ok().unwrap();
    let _late = bus.on(|_: &OrderClosed| -> () { panic!("called") }).unwrap();
    settled().await;
    assert!(!bus.forget_retained("orders/closed"));
    assert_eq!(fake.emitted::<OrderClosed>().len(), 3);
}

#[convoke::test]
async fn what_is_requested_is_recorded_as_such() {
    let fake = FakeBus::new();
    let bus = fake.bus();
    let _prices = bus.answer(|_: &PriceAsked| -> Answer<u64> { panic!("called") }).unwrap();
    let first = at_once(bus.request::<u64>(PriceAsked { item: 7 })).await.unwrap_err();
    assert_eq!(first.to_string(), "nobody answers PriceAsked with `u64`: register one with `bus.answer(…)`");
    let all = at_once(bus.request_all::<u64>(PriceAsked { item: 8 }).within(SECOND)).await;
    assert!(matches!(all, Err(AskError::NoAnswerer { .. })));
    drop(bus.request::<u64>(PriceAsked { item: 9 }));
    assert_eq!(fake.requested::<PriceAsked>(), [Arc::new(PriceAsked { item: 7 }), Arc::new(PriceAsked { item: 8 })]);
    fake.assert_requested::<PriceAsked>(|asked| asked.item == 8);
    fake.assert_not_emitted::<PriceAsked>();
    fake.assert_not_emitted_on("**");
    assert!(fake.emitted::<PriceAsked>().is_empty() && fake.emitted_on("**").is_empty());
}

#[convoke::test]
async fn a_request_is_answered_as_the_test_says_and_still_nobody_else_is_called() {
    let fake = FakeBus::new()
        .answering(|asked: &PriceAsked| Answer(asked.item * 3))
        .answering(|_: &PriceAsked| Err::<String, _>("not in stock"));
    let bus = fake.bus();
    let _listener = bus.on(|_: &PriceAsked| -> () { panic!("called") }).unwrap();
    assert_eq!(at_once(bus.request::<u64>(PriceAsked { item: 7 })).await.unwrap(), 21);
    let failed = at_once(bus.request::<String>(PriceAsked { item: 8 })).await.unwrap_err();
    assert!(failed.to_string().contains("not in stock"), "{failed}");
    bus.emit(PriceAsked { item: 9 }).await.ok().unwrap();
    assert_eq!((fake.requested::<PriceAsked>().len(), fake.emitted::<PriceAsked>().len()), (2, 1));
}

#[convoke::test]
async fn what_a_bus_provides_is_there_for_the_code_under_test() {
    let fake = FakeBus::of(EventBus::builder().provide(7_u32).build());
    let _asks = fake.bus().on(|_: &OrderPlaced, _: Inject<u32>| -> () { panic!("called") }).unwrap();
    fake.bus().publish(placed(1)).unwrap();
    settled().await;
    assert_eq!(fake.emitted::<OrderPlaced>(), [Arc::new(placed(1))]);
}

#[convoke::test]
async fn a_listener_can_be_called_by_hand_with_a_fake_bus() {
    fn close(order: &OrderPlaced, bus: EventBus) -> Result<(), PublishError> {
        bus.publish(OrderClosed { id: order.id })
    }

    let fake = FakeBus::new();
    close(&placed(7), fake.bus()).unwrap();
    fake.assert_emitted::<OrderClosed>(|closed| closed.id == 7);
}

#[test]
fn it_needs_no_actix_system_and_hears_every_thread() {
    let fake = FakeBus::new();
    let bus = fake.bus();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let bus = &bus;
            scope.spawn(move || (0..100).for_each(|id| bus.publish(placed(thread * 100 + id)).unwrap()));
        }
    });
    let mut ids: Vec<_> = fake.emitted::<OrderPlaced>().iter().map(|order| order.id).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..400));
}

#[convoke::test]
async fn another_bus_is_not_touched() {
    let (fake, real) = (FakeBus::new(), EventBus::default());
    let _heard = real.on(|_: &OrderPlaced| {}).unwrap();
    assert_eq!(real.emit(placed(1)).await.len(), 1);
    assert_eq!(fake.bus().emit(placed(2)).await.len(), 0);
    assert_eq!(real.emit(placed(3)).await.len(), 1);
    assert_eq!(fake.emitted::<OrderPlaced>(), [Arc::new(placed(2))]);
    let sync = testing::EventSynchronizer::new(&fake.bus());
    fake.bus().publish(placed(4)).unwrap();
    assert_eq!((sync.seen().len(), fake.seen().len()), (1, 2));
    drop(sync);
    assert_eq!(fake.bus().emit(placed(5)).await.len(), 0);
    assert_eq!(fake.seen().len(), 3);
}

#[convoke::test]
async fn a_local_event_is_recorded_by_its_type_alone() {
    let fake = FakeBus::new();
    fake.bus().publish(Packed(1)).unwrap();
    assert_eq!(fake.emitted::<Packed>()[0].0, 1);
    assert!(fake.emitted_on("**").is_empty(), "no topic subscriber sees it");
}

// What is asserted, and what is said.

#[convoke::test]
async fn assertions_pass_by_type_and_by_topic() {
    let fake = FakeBus::new();
    fake.assert_nothing_emitted();
    fake.assert_not_emitted::<OrderPlaced>();
    fake.assert_not_emitted_on("**");
    fake.bus().publish(placed(7)).unwrap();
    fake.bus().publish_json("orders/closed", json!({ "id": 8 })).unwrap();
    fake.assert_emitted::<OrderPlaced>(|order| order.id == 7);
    fake.assert_emitted::<OrderClosed>(|closed| closed.id == 8);
    fake.assert_emitted_on("orders/*", |seen| seen["id"] == 8);
    fake.assert_not_emitted::<Packed>();
    fake.assert_not_emitted_on("stock/**");
    let topics: Vec<_> = fake.emitted_on("orders/*").iter().map(|seen| seen.topic()).collect();
    assert_eq!(topics, ["orders/placed", "orders/closed"]);
    fake.clear();
    fake.assert_nothing_emitted();
}

#[convoke::test]
async fn what_was_not_emitted_is_said_at_the_line_of_the_test_with_what_was() {
    let fake = FakeBus::new();
    let nothing = failure(|| fake.assert_emitted::<OrderPlaced>(|_| true));
    assert_eq!(nothing, "no `OrderPlaced` was emitted\nnothing was emitted");

    fake.bus().publish(placed(7)).unwrap();
    sleep(ms(1500)).await;
    fake.bus().publish(UserRegistered { mail: "ada@example.org".to_owned() }).unwrap();
    fake.bus().publish(Packed(1)).unwrap();
    drop(fake.bus().request::<u64>(PriceAsked { item: 7 }).await);
    let list = |mark: &str| {
        format!(
            "\nwhat was emitted:\n\
             \x20 #1 after 0ns orders/placed OrderPlaced {{\"id\":7}}{mark}\n\
             \x20 #2 after 1.5s users/registered UserRegistered (hidden: personal data)\n\
             \x20 #3 after 1.5s Packed (local: no form as JSON)\n\
             \x20 #4 after 1.5s prices/asked PriceAsked {{\"item\":7}} (a request)"
        )
    };
    let other = failure(|| fake.assert_emitted::<OrderPlaced>(|order| order.id == 8));
    let which = "no `OrderPlaced` was emitted of which the condition is true";
    assert_eq!(other, format!("{which}{}", list("  <- the condition is not true of it")));
    let missing = failure(|| fake.assert_emitted::<OrderClosed>(|_| true));
    assert_eq!(missing, format!("no `OrderClosed` was emitted{}", list("")));
    let requested = failure(|| fake.assert_emitted::<PriceAsked>(|_| true));
    assert_eq!(requested, format!("no `PriceAsked` was emitted{}", list("")));
    let emitted = failure(|| fake.assert_requested::<OrderPlaced>(|_| true));
    assert_eq!(emitted, format!("no `OrderPlaced` was requested{}", list("")));
    let topic = failure(|| fake.assert_emitted_on("orders/*", |seen| seen["id"] == 8));
    let which = "no `orders/*` was emitted of which the condition is true";
    assert_eq!(topic, format!("{which}{}", list("  <- the condition is not true of it")));

    let came = failure(|| fake.assert_not_emitted::<OrderPlaced>());
    assert_eq!(came, format!("`OrderPlaced` was emitted, and was not to be{}", list("  <- this was not to be")));
    let came = failure(|| fake.assert_not_emitted_on("orders/*"));
    assert_eq!(came, format!("`orders/*` was emitted, and was not to be{}", list("  <- this was not to be")));
    let came = failure(|| fake.assert_nothing_emitted());
    assert_eq!(came, format!("something was emitted, and nothing was to be{}", list("")));
}

#[convoke::test]
async fn what_is_forgotten_is_not_said_to_be_absent() {
    let fake = FakeBus::new().keeping(2);
    for id in 1..=3 {
        fake.bus().publish(placed(id)).unwrap();
    }
    assert_eq!(fake.emitted::<OrderPlaced>().len(), 2);
    let unknown = failure(|| fake.assert_not_emitted::<OrderClosed>());
    assert_eq!(
        unknown,
        "whether `OrderClosed` was emitted is not known, for more events came than are kept: say `keeping`\n\
         what was emitted:\n\
         \x20 … 1 before them\n\
         \x20 #2 after 0ns orders/placed OrderPlaced {\"id\":2}\n\
         \x20 #3 after 0ns orders/placed OrderPlaced {\"id\":3}"
    );
    fake.clear();
    fake.assert_not_emitted::<OrderClosed>();
    fake.bus().publish(placed(4)).unwrap();
    let numbered = failure(|| fake.assert_nothing_emitted());
    assert!(numbered.ends_with("what was emitted:\n  #4 after 0ns orders/placed OrderPlaced {\"id\":4}"), "{numbered}");
}

#[convoke::test]
async fn what_is_no_pattern_is_said() {
    let fake = FakeBus::new();
    let error = convoke::Pattern::new("orders/").unwrap_err().to_string();
    assert_eq!(failure(|| drop(fake.emitted_on("orders/"))), error);
    assert_eq!(failure(|| fake.assert_emitted_on("orders/", |_| true)), error);
    assert_eq!(failure(|| fake.assert_not_emitted_on("orders/")), error);
}

#[test]
fn a_failure_is_at_the_line_of_the_test() {
    // The hook by which a panic tells its place is that of the process.
    in_a_process_of_its_own("testing::fake_bus::a_failure_is_at_the_line_of_the_test", || {
        static PLACE: Mutex<Option<(String, u32)>> = Mutex::new(None);
        std::panic::set_hook(Box::new(|info| {
            *PLACE.lock().unwrap() = info.location().map(|place| (place.file().to_owned(), place.line()));
        }));
        let fake = FakeBus::new();
        fake.bus().publish(placed(7)).unwrap();
        let here = Location::caller();
        let failures: [&dyn Fn(&FakeBus); 9] = [
            &|fake| fake.assert_emitted::<OrderPlaced>(|order| order.id == 8),
            &|fake| fake.assert_emitted_on("orders/*", |seen| seen["id"] == 8),
            &|fake| fake.assert_requested::<PriceAsked>(|_| true),
            &|fake| fake.assert_not_emitted::<OrderPlaced>(),
            &|fake| fake.assert_not_emitted_on("orders/*"),
            &|fake| fake.assert_nothing_emitted(),
            &|fake| drop(fake.emitted_on("orders/")),
            &|fake| fake.assert_emitted_on("orders/", |_| true),
            &|fake| fake.assert_not_emitted_on("orders/"),
        ];
        for (failure, line) in failures.into_iter().zip(here.line() + 2..) {
            assert!(catch_unwind(AssertUnwindSafe(|| failure(&fake))).is_err());
            assert_eq!(PLACE.lock().unwrap().take(), Some((file!().to_owned(), line)));
        }
    });
}
