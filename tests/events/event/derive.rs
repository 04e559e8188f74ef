//! What `#[derive(Event)]` makes of a type: every shape that may be an event, every key and its default.

use std::cell::Cell;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use convoke::{Event, Pattern};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What an event is called: its name, topic and entity.
fn called<E: Event>() -> [&'static str; 3] {
    [E::NAME, E::TOPIC, E::ENTITY]
}

/// Its version, and whether it contains personal data, is retained, and is local.
fn described<E: Event>() -> (u32, [bool; 3]) {
    (E::VERSION, [E::CONTAINS_PERSONAL_DATA, E::RETAINED, E::LOCAL])
}

#[track_caller]
fn assert_json<E: Event + PartialEq + Debug>(event: E, json: serde_json::Value) {
    assert_eq!(event.to_json().unwrap(), json);
    assert_eq!(E::from_json(&json).unwrap(), event);
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
struct OrderPlaced {
    id: u64,
    note: String,
}

#[test]
fn a_struct_is_an_event_without_further_words() {
    assert_eq!(called::<OrderPlaced>(), ["OrderPlaced", "OrderPlaced", "Order"]);
    assert_eq!(described::<OrderPlaced>(), (1, [false; 3]));
    let placed = OrderPlaced { id: 7, note: "by noon".into() };
    assert_eq!(placed.entity_id(), None);
    assert_json(placed, json!({ "id": 7, "note": "by noon" }));
}

#[test]
fn what_does_not_fit_is_told_as_serde_tells_it() {
    let error = OrderPlaced::from_json(&json!({ "id": "seven" })).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: string \"seven\", expected u64");
    let error = OrderPlaced::from_json(&json!({ "id": 7 })).unwrap_err();
    assert_eq!(error.to_string(), "missing field `note`");
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(topic = "sales/made", name = "SaleMade", entity = "Shop", entity_id = shop, version = 2)]
#[event(contains_personal_data, retained, example = Self { shop: "north".into() })]
struct EveryKey {
    shop: Arc<str>,
}

#[test]
fn every_key_is_heard() {
    assert_eq!(called::<EveryKey>(), ["SaleMade", "sales/made", "Shop"]);
    assert_eq!(described::<EveryKey>(), (2, [true, true, false]));
    assert_eq!(EveryKey { shop: "north".into() }.entity_id().as_deref(), Some("north"));
    assert_json(EveryKey { shop: "north".into() }, json!({ "shop": "north" }));
    assert_eq!(EveryKey::example(), Some(EveryKey { shop: "north".into() }));
    assert_eq!(OrderPlaced::example(), None);
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(entity_id = 0)]
struct UserRegistered(u64, String);

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
struct Tick;

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(topic = "payments", entity_id = id)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum PaymentChanged {
    Made { id: u64, total: u32 },
    Failed { id: String },
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(entity_id = 1)]
enum ItemMoved {
    Up(u8, char),
    Down(u8, bool, char),
}

#[test]
fn tuples_and_units_are_events() {
    assert_eq!(UserRegistered(7, "ada".into()).entity_id().as_deref(), Some("7"));
    assert_json(UserRegistered(7, "ada".into()), json!([7, "ada"]));
    assert_eq!(called::<Tick>(), ["Tick"; 3]);
    assert_json(Tick, json!(null));
}

#[test]
fn an_enum_is_an_event_and_each_variant_has_its_id() {
    assert_eq!(called::<PaymentChanged>(), ["PaymentChanged", "payments", "Payment"]);
    let (made, failed) = (PaymentChanged::Made { id: 7, total: 40 }, PaymentChanged::Failed { id: "x".into() });
    assert_eq!((made.entity_id().as_deref(), failed.entity_id().as_deref()), (Some("7"), Some("x")));
    assert_json(made, json!({ "kind": "made", "id": 7, "total": 40 }));
    assert_json(failed, json!({ "kind": "failed", "id": "x" }));
    assert_eq!(ItemMoved::Up(1, 'a').entity_id().as_deref(), Some("a"));
    assert_eq!(ItemMoved::Down(1, true, 'a').entity_id().as_deref(), Some("true"));
}

/// It can be neither written as JSON nor read; only that it can be sent and shared is asked of it.
#[derive(Event)]
#[event(local, retained, version = 3, topic = "jobs/done")]
struct JobDone {
    answer: Box<dyn Fn() -> u32 + Send + Sync>,
}

#[test]
fn a_local_event_needs_no_serde_and_has_no_json() {
    assert_eq!(called::<JobDone>(), ["JobDone", "jobs/done", "Job"]);
    assert_eq!(described::<JobDone>(), (3, [false, true, true]));
    let done = JobDone { answer: Box::new(|| 42) };
    assert_eq!((done.answer)(), 42);
    let text = "the event `JobDone` is local and has no JSON: remove `#[event(local)]`";
    assert_eq!(done.to_json().unwrap_err().to_string(), text);
    assert_eq!(JobDone::from_json(&json!({})).err().unwrap().to_string(), text);
}

/// As deep as a topic may be: one segment more is an error of the compiler.
#[derive(Event)]
#[event(local, topic = "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f")]
struct Deep;

/// As long as a topic may be.
#[derive(Event)]
#[event(
    local,
    topic = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
             xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)]
struct Long;

#[test]
fn the_limits_of_the_macro_are_those_of_the_bus() {
    assert_eq!(Deep::TOPIC.split('/').count(), Pattern::MAX_SEGMENTS);
    assert_eq!(Long::TOPIC.len(), Pattern::MAX_BYTES);
    for topic in [Deep::TOPIC, Long::TOPIC] {
        assert!(Pattern::new(topic).is_ok_and(|pattern| pattern.is_exact()));
        assert!(Pattern::new(&format!("{topic}/x")).is_err());
    }
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
struct ValueStored<T, const N: usize = 1>
where
    T: Clone,
{
    #[serde(bound(serialize = "T: Serialize", deserialize = "T: DeserializeOwned"))]
    values: Vec<T>,
}

/// What it is generic over only tells one kind of id from another.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[serde(bound = "")]
struct KindRemoved<K> {
    id: u64,
    kind: PhantomData<fn() -> K>,
}

#[derive(Event)]
#[event(local)]
struct CellSeen<T>(T);

/// Neither serde nor anything else, and not shared between threads.
#[derive(Debug, PartialEq)]
struct Plain(Cell<u8>);

#[test]
fn a_generic_type_is_an_event_of_whatever_can_be_one() {
    assert_eq!(called::<ValueStored<u8, 3>>(), ["ValueStored", "ValueStored", "Value"]);
    assert_json(ValueStored::<u8, 3> { values: vec![1, 2] }, json!({ "values": [1, 2] }));
    assert_json(ValueStored::<String> { values: vec!["a".into()] }, json!({ "values": ["a"] }));
    assert_eq!(called::<CellSeen<Box<dyn Fn() + Send + Sync>>>(), ["CellSeen", "CellSeen", "Cell"]);
}

#[test]
fn a_generic_event_asks_no_more_of_its_parameter_than_it_needs() {
    assert_json(KindRemoved::<Plain> { id: 7, kind: PhantomData }, json!({ "id": 7, "kind": null }));
}

/// Whoever is generic over the parameter only says what the event needs.
fn stored<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static>(value: T) -> impl Event {
    ValueStored::<T> { values: vec![value] }
}

#[test]
fn a_function_that_is_generic_makes_a_generic_event() {
    assert_eq!(stored(7_u8).to_json().unwrap(), json!({ "values": [7] }));
}

/// A framework that stands on Convoke, and whose users do not name it.
mod framework {
    pub(crate) use convoke as events;
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event(crate = "crate::events::event::derive::framework::events", topic = "re/exported")]
struct ReExported<T> {
    value: T,
}

#[test]
fn a_re_export_is_enough() {
    assert_eq!(called::<ReExported<u8>>(), ["ReExported", "re/exported", "Re"]);
    assert_json(ReExported { value: 7 }, json!({ "value": 7 }));
}

/// Where the names of the prelude mean something else, or nothing.
#[no_implicit_prelude]
mod elsewhere {
    #[derive(::convoke::Event, ::serde::Serialize, ::serde::Deserialize)]
    #[event(entity_id = r#type)]
    pub(crate) struct Result {
        pub(crate) r#type: ::std::string::String,
    }

    #[derive(::convoke::Event)]
    #[event(local)]
    pub(crate) enum Option<Value> {
        Some(Value),
    }

    #[expect(non_camel_case_types, reason = "a raw name is a name")]
    #[derive(::convoke::Event)]
    #[event(local)]
    pub(crate) struct r#move;
}

#[test]
fn names_of_the_users_are_in_nobodys_way() {
    assert_eq!(elsewhere::Result { r#type: "x".into() }.entity_id().as_deref(), Some("x"));
    assert_eq!(called::<elsewhere::Option<u8>>(), ["Option"; 3]);
    assert_eq!(called::<elsewhere::r#move>(), ["move"; 3]);
    let elsewhere::Option::Some(value) = elsewhere::Option::Some(7);
    assert_eq!(value, 7);
}
