//! `Brokers`, the registry of brokers by id.

use convoke::Emit;
use convoke::prelude::*;
use convoke::testing::Crash;
use uuid::Uuid;

use crate::common::{Notes, SECOND, after, at_once, join_all, ms, settled, sleep};

#[convoke::test]
async fn create_starts_a_broker_and_gives_the_one_that_is_there() {
    let brokers = Brokers::<u32>::new();
    let first = brokers.create("orders", SECOND).unwrap();
    let again = brokers.create("orders", 9 * SECOND).unwrap();
    assert_eq!(first, again);
    let snapshot = again.inspect().await.unwrap();
    assert_eq!((snapshot.broker.as_str(), snapshot.timeout), ("orders", SECOND), "it keeps the timeout it has");
    assert_ne!(first, brokers.create("returns", SECOND).unwrap());
}

#[convoke::test]
async fn create_with_builds_a_broker_of_any_rules_only_when_there_is_none() {
    let brokers = Brokers::<u32>::new();
    let make = || Broker::new(SECOND).release(Release::at_least(1)).named("not this name");
    let broker = brokers.create_with("orders", make).unwrap();
    assert_eq!(broker.inspect().await.unwrap().broker.as_str(), "orders");
    assert_eq!(brokers.create_with("orders", || unreachable!("there is one")).unwrap(), broker);
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn what_makes_a_broker_may_ask_the_registry() {
    let brokers = Brokers::<u32>::new();
    let inner = brokers.clone();
    let outer = brokers.create_with("outer", move || {
        inner.create("inner", SECOND).unwrap();
        Broker::new(SECOND)
    });
    assert!(outer.is_ok());
    assert_eq!(brokers.list(), ["inner", "outer"].map(Into::into));
}

#[convoke::test]
async fn register_takes_a_broker_from_elsewhere_and_refuses_a_second_of_the_same_id() {
    let brokers = Brokers::<u32>::new();
    let broker = Broker::new(SECOND).start();
    brokers.register("orders", broker.clone()).unwrap();
    assert_eq!(brokers.get("orders").unwrap(), broker);
    let error = brokers.register("orders", Broker::new(SECOND).start()).unwrap_err();
    let text = "the id `orders` is taken by another broker: remove that one, or choose another id";
    assert_eq!(error.to_string(), text);
    assert_eq!(brokers.get("orders").unwrap(), broker);
    settled().await;
}

#[convoke::test]
async fn a_broker_lives_as_long_as_it_is_registered() {
    let brokers = Brokers::<u32>::new();
    brokers.create("orders", SECOND).unwrap();
    settled().await;
    let broker = brokers.remove("orders").unwrap();
    assert!(brokers.get("orders").is_err());
    assert!(broker.inspect().await.is_ok(), "it goes on until its last address is dropped");
    drop(broker);
    settled().await;
    assert!(convoke::testing::alive().is_empty());
}

#[convoke::test]
async fn every_clone_and_every_thread_sees_the_same_registry() {
    let brokers = Brokers::<u32>::default();
    let clone = brokers.clone();
    let broker = clone.create("orders", SECOND).unwrap();
    let seen = std::thread::spawn(move || (clone.list(), clone.get("orders").unwrap())).join().unwrap();
    assert_eq!(seen, (brokers.list(), broker));
}

#[convoke::test]
async fn brokers_are_listed_in_order_and_known_by_name_or_uuid() {
    let brokers = Brokers::<u32>::new();
    let id = Uuid::from_u128(1);
    for name in ["returns", "orders"] {
        brokers.create(name, SECOND).unwrap();
    }
    brokers.create(id, SECOND).unwrap();
    let listed: Vec<_> = brokers.list().iter().map(ToString::to_string).collect();
    assert_eq!(listed, [id.to_string().as_str(), "orders", "returns"]);
    assert!(brokers.get(id).is_ok());
    assert_eq!(format!("{brokers:?}").matches("orders").count(), 1);
}

#[convoke::test]
async fn an_id_that_nobody_has_is_an_error_that_names_those_there_are() {
    let brokers = Brokers::<u32>::new();
    let error = brokers.get("orders").unwrap_err();
    assert_eq!(error.to_string(), "no broker `orders`, nor any other: create or register it first");
    brokers.create("orders", SECOND).unwrap();
    brokers.create("returns", SECOND).unwrap();
    let text = "no broker `order`: create or register it first; there are `orders`, `returns`";
    let errors = [
        brokers.get("order").unwrap_err(),
        brokers.remove("order").unwrap_err(),
        brokers.set_timeout("order", SECOND).await.unwrap_err(),
        brokers.add_emitter("order", "one").await.unwrap_err(),
        brokers.add_consumer("order", |_: Resolved<u32>| ()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), text);
    }
}

#[convoke::test]
async fn emitters_and_consumers_are_added_by_the_id_of_their_broker() {
    let brokers = Brokers::<u32>::new();
    brokers.create("orders", SECOND).unwrap();
    let one = brokers.add_emitter("orders", "one").await.unwrap();
    let two = Emitter::new("two").on_summons(|pledge| pledge.keep(2));
    let two = brokers.add_emitter("orders", two).await.unwrap();
    let heard = Notes::new();
    let notes = heard.clone();
    let consumer = move |round: Resolved<u32>| notes.add(round.payloads().to_vec());
    let _guard = brokers.add_consumer("orders", consumer).await.unwrap();
    assert_eq!((one.broker().as_str(), two.name()), ("orders", "two"));
    assert!(at_once(one.emit(1)).await.unwrap().is_resolved());
    settled().await;
    assert_eq!(heard.take(), [[1, 2]]);

    let again = Emitter::new("another").with_id(one.id().as_uuid());
    let error = brokers.add_emitter("orders", again).await.unwrap_err();
    assert!(matches!(error, BrokerError::Join(JoinError::DuplicateId { .. })), "{error}");
}

#[convoke::test]
async fn a_timeout_is_changed_for_the_rounds_to_come_and_open_ones_keep_theirs() {
    let brokers = Brokers::<u32>::new();
    let broker = brokers.create("orders", SECOND).unwrap();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let open = one.emit_for("open", 1);
    sleep(ms(400)).await;
    brokers.set_timeout("orders", 5 * SECOND).await.unwrap();
    let next = one.emit_for("next", 1);
    assert_eq!(after(ms(600), open).await.unwrap().elapsed(), SECOND);
    assert_eq!(after(ms(4_400), next).await.unwrap().elapsed(), 5 * SECOND);
    assert_eq!(broker.inspect().await.unwrap().timeout, 5 * SECOND);

    let error = brokers.set_timeout("orders", ms(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "a timeout of zero leaves no time to answer: give a longer one");
    assert_eq!(broker.inspect().await.unwrap().timeout, 5 * SECOND);
}

#[convoke::test]
async fn a_broker_that_has_stopped_or_crashed_is_not_found_and_its_id_is_free() {
    let brokers = Brokers::<u32>::new();
    for crash in [false, true] {
        let broker = brokers.create("orders", SECOND).unwrap();
        if crash {
            broker.do_send(Crash)
        } else {
            broker.stop()
        }
        settled().await;
        assert!(matches!(brokers.get("orders"), Err(BrokerError::Unknown { .. })));
        assert_eq!(brokers.list(), []);
        assert_eq!(brokers.register("orders", broker.clone()).unwrap_err(), BrokerError::Gone);
        assert_ne!(brokers.create("orders", SECOND).unwrap(), broker);
        brokers.remove("orders").unwrap();
    }
}

#[convoke::test]
async fn rules_that_make_no_sense_are_an_error_and_nothing_is_registered() {
    let brokers = Brokers::<u32>::new();
    let error = brokers.create("orders", ms(0)).unwrap_err();
    assert_eq!(error.to_string(), "a timeout of zero leaves no time to answer: give a longer one");
    let error = brokers.create_with("orders", || Broker::new(SECOND).release(Release::at_least(0))).unwrap_err();
    assert!(matches!(error, BrokerError::Config(_)), "{error}");
    assert_eq!(brokers.list(), []);
}

#[convoke::test]
async fn brokers_of_different_payloads_have_registries_of_their_own() {
    let (numbers, texts) = (Brokers::<u32>::new(), Brokers::<&str>::new());
    numbers.create("orders", SECOND).unwrap();
    assert!(texts.get("orders").is_err());
    texts.create("orders", SECOND).unwrap();
    let one = texts.add_emitter("orders", "one").await.unwrap();
    let outcome = at_once(one.addr().send(Emit { key: None, payload: "3 left" })).await;
    assert_eq!(outcome.unwrap().unwrap().payloads(), ["3 left"]);
}
