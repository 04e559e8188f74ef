//! Routes: which events leave by which, in which form, and what becomes of those that cannot.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::codec::Codec;
use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::transport::{Abilities, Attribute, BoxFuture, Memory, MemoryQueue, Packet, Publisher, TransportError};
use convoke::{Envelope, Event, Retry, Route, RouteError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::common::{SECOND, at_once, ms, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed", entity_id = id)]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(contains_personal_data)]
struct UserRegistered {
    mail: String,
}

#[derive(Event)]
#[event(local)]
struct CacheWarmed;

fn shop() -> EventBus {
    EventBus::builder().publisher("Shop").build()
}

/// The names of the events that have left, in their order.
fn left(queue: &MemoryQueue) -> Vec<String> {
    let read = |packet: Packet| Envelope::from_slice(&packet.body).unwrap().metadata.event.to_string();
    queue.packets().into_iter().map(read).collect()
}

fn able(change: impl Fn(&mut Abilities)) -> MemoryQueue {
    let queue = Memory::queue("out");
    let mut abilities = Publisher::abilities(&queue);
    change(&mut abilities);
    queue.with_abilities(abilities)
}

#[convoke::test]
async fn patterns_over_publisher_and_event_choose() {
    for (pattern, wanted) in [
        ("Shop/*", vec!["OrderPlaced", "UserRegistered"]),
        ("*/OrderPlaced", vec!["OrderPlaced"]),
        ("Shop/OrderPlaced", vec!["OrderPlaced"]),
        ("**", vec!["OrderPlaced", "UserRegistered", "stock/low"]),
        ("Shop/stock/*", vec!["stock/low"]),
        ("Shop/Nothing", vec![]),
        ("*/*/*/*", vec![]),
    ] {
        let (bus, queue) = (shop(), Memory::queue("out"));
        let _out = Route::new(pattern, queue.clone()).open(&bus).unwrap();
        bus.emit(OrderPlaced { id: 1 }).await.ok().unwrap();
        bus.emit(UserRegistered { mail: "ada@example.org".into() }).await.ok().unwrap();
        bus.emit_json("stock/low", json!({"item": 7})).unwrap().await.ok().unwrap();
        assert!(bus.emit(CacheWarmed).await.is_empty(), "what is local never leaves");
        assert_eq!(left(&queue), wanted, "{pattern}");
    }
}

/// An event that cannot become JSON.
#[derive(Event, Clone, Serialize, Deserialize)]
struct Odd {
    keys: std::collections::HashMap<Vec<u8>, u8>,
}

#[convoke::test]
async fn what_does_not_match_is_no_business_of_a_route() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("Shop/OrderPlaced", queue.clone()).open(&bus).unwrap();
    let odd = Odd { keys: [(vec![1], 1)].into() };
    let report = bus.emit(odd.clone()).await;
    assert!(report.is_empty() && report.is_ok(), "{report}");
    assert_eq!(bus.unheard(), 1, "a route that does not match has not heard it");

    let _all = Route::new("Shop/*", queue.clone()).open(&bus).unwrap();
    assert!(bus.emit(odd).await.to_string().contains("key must be a string"));
}

#[convoke::test]
async fn what_was_retained_leaves_by_a_route_that_matches_it() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    bus.publish_retained("stock/low", json!({"item": 7})).unwrap();
    bus.publish_retained("weather/now", json!({"degrees": 2})).unwrap();
    let _out = Route::new("Shop/stock/*", queue.clone()).open(&bus).unwrap();
    bus.drain().await;
    assert_eq!(left(&queue), ["stock/low"]);
}

#[convoke::test]
async fn an_event_leaves_by_each_route_that_matches_until_its_guard_is_dropped() {
    let (bus, orders, all) = (shop(), Memory::queue("orders"), Memory::queue("all"));
    let out = Route::new(["Shop/OrderPlaced", "Billing/*"], orders.clone()).open(&bus).unwrap();
    let _all = Route::new("Shop/**", all.clone()).open(&bus).unwrap();
    bus.emit(OrderPlaced { id: 1 }).await.ok().unwrap();
    drop(out);
    bus.emit(OrderPlaced { id: 2 }).await.ok().unwrap();
    assert_eq!((orders.packets().len(), all.packets().len()), (1, 2));
}

#[convoke::test]
async fn a_packet_says_what_servers_filter_order_and_route_by() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone())
        .attribute("sizes", |event| Some(Attribute::List(vec![event.payload["id"].clone()])))
        .attribute("country", |event| event.payload["country"].as_str().map(str::to_owned))
        .ordered_by(|event| event.metadata.entity_id.as_deref().map(str::to_owned))
        .priority(9, |event| event.payload["id"].as_u64().unwrap_or_default() as u8)
        .delay(60 * SECOND)
        .open(&bus)
        .unwrap();
    bus.emit(OrderPlaced { id: 40 }).await.ok().unwrap();
    let [packet] = &queue.packets()[..] else { panic!() };
    let envelope = Envelope::from_slice(&packet.body).unwrap();
    assert_eq!((&packet.id, &*packet.topic), (&envelope.metadata.id.to_string(), "orders/placed"));
    assert_eq!((packet.key.as_deref(), packet.priority, packet.delay), (Some("40"), 9, 60 * SECOND));
    let attributes: Vec<_> = packet.attributes.iter().map(|(name, value)| (name, value.text())).collect();
    let wanted = [("entityName", "Order"), ("eventName", "OrderPlaced"), ("publisherName", "Shop"), ("sizes", "[40]")];
    assert_eq!(attributes, wanted.map(|(name, text)| (name, text.to_owned())));
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn what_is_published_leaves_in_its_order_and_in_batches() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    for id in 0..1_000 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    at_once(bus.drain()).await;
    let ids =
        queue.packets().into_iter().map(|packet| Envelope::from_slice(&packet.body).unwrap().payload["id"].as_u64());
    assert!(ids.eq((0..1_000).map(Some)));
}

#[convoke::test]
async fn who_emits_is_told_when_the_server_does_not_have_it() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).retry(Retry::never()).open(&bus).unwrap();
    queue.set_reachable(false);
    let report = bus.emit(OrderPlaced { id: 1 }).await;
    let failed: Vec<_> = report.failed().map(|(listener, error)| format!("{listener}: {error}")).collect();
    assert!(failed[0].starts_with("route to memory:out: failed: memory:out: "), "{failed:?}");
    assert_eq!(bus.dead_letters().len(), 1);
    queue.set_reachable(true);
    bus.dead_letters().redrive_all();
    at_once(bus.drain()).await;
    assert_eq!(left(&queue), ["OrderPlaced"]);
}

/// Takes its time, and says what it was asked for.
struct Slow(Arc<Mutex<Vec<usize>>>);

impl Publisher for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            self.0.lock().unwrap().push(packets.len());
            tokio::time::sleep(60 * SECOND).await;
            vec![Ok(()); packets.len()]
        })
    }
}

#[convoke::test]
async fn what_nobody_waits_for_any_more_does_not_leave() {
    let (bus, asked) = (shop(), Arc::new(Mutex::new(Vec::new())));
    let _out = Route::new("**", Slow(asked.clone())).timeout(50 * SECOND).open(&bus).unwrap();
    let emit = async |wait: u32| {
        sleep(wait * SECOND).await;
        bus.emit(OrderPlaced { id: wait.into() }).await.is_ok()
    };
    // The first is on its way for a minute. Nobody waits for the second and the third until then.
    assert_eq!(tokio::join!(emit(0), emit(1), emit(2), emit(70)), (false, false, false, false));
    assert_eq!(*asked.lock().unwrap(), [1, 1]);
}

#[convoke::test]
async fn a_server_that_is_away_for_a_while_loses_nothing_and_no_order() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let retry = Retry::exponential(SECOND).max_delay(10 * SECOND).attempts(20);
    let _out = Route::new("**", queue.clone()).retry(retry).timeout(300 * SECOND).open(&bus).unwrap();
    queue.set_reachable(false);
    for id in 0..300 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    sleep(20 * SECOND).await;
    queue.set_reachable(true);
    let began = Instant::now();
    bus.drain().await;
    assert!(began.elapsed() <= 10 * SECOND, "{:?}", began.elapsed());
    let ids =
        queue.packets().into_iter().map(|packet| Envelope::from_slice(&packet.body).unwrap().payload["id"].as_u64());
    assert!(ids.eq((0..300).map(Some)));
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn only_those_that_failed_are_sent_again() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    queue.fail_next(3);
    for id in 0..10 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    bus.drain().await;
    assert_eq!((queue.published(), queue.packets().len()), (10, 10));
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn what_is_too_large_is_not_tried_again() {
    let (bus, queue) = (shop(), able(|abilities| abilities.max_bytes = 1_000));
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    let report = at_once(bus.emit(UserRegistered { mail: "x".repeat(1_000) })).await;
    let error = report.to_string();
    assert!(error.contains("failed for good") && error.contains("1000 are allowed"), "{error}");
    assert!(!error.contains("xxx"), "{error}");
    assert!(queue.packets().is_empty());
}

#[convoke::test]
async fn a_full_route_refuses_unless_it_was_told_otherwise() {
    expect_failure("route to memory:out");
    let (bus, queue) = (shop(), Memory::queue("out"));
    let retry = Retry::exponential(SECOND).attempts(20);
    let _out = Route::new("**", queue.clone()).capacity(5).retry(retry).timeout(3_600 * SECOND).open(&bus).unwrap();
    queue.set_reachable(false);
    let refused = (0..400).filter(|id| bus.publish(OrderPlaced { id: *id }).is_err()).count();
    assert!(refused > 0, "as many as are under way, and five that wait");
    sleep(ms(10)).await;
    queue.set_reachable(true);
    bus.drain().await;
    assert_eq!(queue.packets().len() + refused, 400);
}

#[convoke::test]
async fn another_codec_writes_another_form() {
    struct Upper;
    impl Codec for Upper {
        fn write(&self, envelope: &Envelope) -> Packet {
            Packet::new("1", envelope.metadata.event.to_uppercase())
        }

        fn max_attributes(&self) -> usize {
            0
        }
    }
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).codec(Upper).open(&bus).unwrap();
    bus.emit(OrderPlaced { id: 1 }).await.ok().unwrap();
    assert_eq!(queue.packets()[0].body, b"ORDERPLACED");
}

#[convoke::test]
async fn what_cannot_be_is_an_error_when_it_is_opened() {
    let bus = shop();
    let told = |result: Result<_, RouteError>| result.map(drop).unwrap_err().to_string();
    let queue = || Memory::queue("out");
    assert!(told(Route::new("Shop//x", queue()).open(&bus)).contains("empty segment"));
    assert_eq!(
        told(Route::new("**", queue()).open(&EventBus::default())),
        "the bus does not say who publishes: build it with `EventBus::builder().publisher(\"UserService\")`"
    );
    for wrong in ["Billing/*", "Shop", "*", "orders/placed", "Shop.OrderPlaced", "shop/*"] {
        let text = format!(
            "nothing would leave by `{wrong}`: events of this bus are called `Shop/<event>`, as in `Shop/OrderPlaced`, or \
             `Shop/*` for all of them"
        );
        assert_eq!(told(Route::new(wrong, queue()).open(&bus)), text);
    }
    assert!(told(Route::new(Vec::<&str>::new(), queue()).open(&bus)).contains("pattern"));
    assert_eq!(
        told(Route::new("**", able(|abilities| abilities.order = false)).ordered_by(|_| None).open(&bus)),
        "memory:out: it cannot keep the order of a key: take another server, or do without"
    );
    let short = able(|abilities| abilities.delay = Some(900 * SECOND));
    assert_eq!(
        told(Route::new("**", short).delay(Duration::from_secs(901)).open(&bus)),
        "memory:out: it cannot hold a packet back for 901s, only for 900s: take another server, or do without"
    );
    let flat = able(|abilities| abilities.priority = 0);
    assert_eq!(
        told(Route::new("**", flat).priority(3, |_| 0).open(&bus)),
        "memory:out: it cannot tell priorities up to 3 apart: take another server, or do without"
    );
    let few = able(|abilities| abilities.max_attributes = 4);
    let keys = Route::new("**", few).attribute("a", |_| Some("1")).attribute("b", |_| Some("2"));
    assert_eq!(
        told(keys.open(&bus)),
        "memory:out: events would have 5 attributes, and 4 are allowed: take fewer routing keys, or another codec"
    );
    assert!(bus.subscriptions().is_empty());
}

#[convoke::test]
async fn a_key_function_that_panics_is_the_failure_of_that_event_alone() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone())
        .ordered_by(|event| {
            assert!(event.payload["id"] != 3, "as told");
            None
        })
        .open(&bus)
        .unwrap();
    for id in 0..6 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    bus.drain().await;
    assert_eq!((queue.packets().len(), bus.dead_letters().len()), (5, 1));
}

/// `Event` is named so that `OrderPlaced::NAME` can be.
#[test]
fn names_come_from_the_type() {
    assert_eq!((OrderPlaced::NAME, OrderPlaced::ENTITY), ("OrderPlaced", "Order"));
}

/// Not in the order of their names, and one of its forms is a map.
#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "Stocked")]
struct Stocked {
    warehouse: String,
    amount: f32,
    parts: Vec<Part>,
    by_color: std::collections::BTreeMap<String, u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Part {
    Screw,
    Bolt { size: u8, name: Option<String> },
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "Straight")]
struct Straight {
    parts: Vec<Part>,
    amount: f32,
}

#[convoke::test]
async fn what_leaves_is_the_same_value_whether_or_not_anybody_here_sees_it_as_json() {
    let bus = shop();
    let queue = Memory::queue("out");
    let _out = Route::new("Shop/*", queue.clone()).open(&bus).unwrap();
    let parts =
        vec![Part::Screw, Part::Bolt { size: 7, name: Some("a \"b\"\n".into()) }, Part::Bolt { size: 8, name: None }];
    let straight = Straight { parts: parts.clone(), amount: 0.1 };
    let stocked = Stocked { warehouse: "é".into(), amount: 0.1, parts, by_color: [("red".into(), 1)].into() };
    let wanted = [Event::to_json(&straight).unwrap(), Event::to_json(&stocked).unwrap()];
    for seen in [false, true] {
        let _sees = seen.then(|| bus.on_topic("**", |_: &JsonEvent| {}).unwrap());
        bus.emit(straight.clone()).await.ok().unwrap();
        bus.publish(stocked.clone()).unwrap();
        bus.drain().await;
    }
    let left: Vec<_> = queue.packets().iter().map(|packet| Envelope::from_slice(&packet.body).unwrap()).collect();
    let payloads: Vec<_> = left.iter().map(|envelope| envelope.payload.clone()).collect();
    assert_eq!(payloads, [&wanted[..], &wanted[..]].concat());
    for (packet, envelope) in queue.packets().iter().zip(&left) {
        assert_eq!(packet.id, envelope.metadata.id.to_string());
        assert_eq!(packet.attributes.text("eventName"), Some(&*envelope.metadata.event));
    }
}

#[convoke::test]
async fn each_of_many_published_events_leaves_with_metadata_of_its_own() {
    let bus = shop();
    let queue = Memory::queue("out");
    let _out = Route::new("Shop/*", queue.clone()).open(&bus).unwrap();
    // More than are under way at once, so that what one has left is used again.
    for id in 0..600 {
        bus.publish(Counted { id }).unwrap();
        if id % 7 == 0 {
            sleep(ms(1)).await;
        }
    }
    bus.drain().await;
    let left: Vec<_> = queue.packets().iter().map(|packet| Envelope::from_slice(&packet.body).unwrap()).collect();
    assert!(
        left.iter().map(|envelope| &envelope.payload["id"]).eq((0..600).map(|id| json!(id)).collect::<Vec<_>>().iter())
    );
    let mut ids: Vec<_> = left.iter().map(|envelope| envelope.metadata.id).collect();
    let mut traces: Vec<_> = left.iter().map(|envelope| envelope.metadata.trace.trace_id()).collect();
    ids.sort_unstable();
    ids.dedup();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!((ids.len(), traces.len()), (600, 600));
    assert!(left.iter().all(|envelope| envelope.metadata.correlation == envelope.metadata.id));
    assert!(left.is_sorted_by_key(|envelope| envelope.metadata.time));
}

/// It owns nothing.
#[derive(Event, Clone, Copy, Debug, Serialize, Deserialize)]
#[event(topic = "counted", entity = "Count")]
struct Counted {
    id: u64,
}
