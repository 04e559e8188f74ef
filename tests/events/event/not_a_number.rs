use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{Event, JsonEvent, ListenerError, Route};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Event, Clone, Debug, Default, Serialize, Deserialize)]
#[event(topic = "measured")]
struct Measured {
    value: f64,
    small: f32,
    all: Vec<f64>,
    by_name: BTreeMap<String, Inner>,
    maybe: Option<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Inner {
    One(f64),
    Two { part: (u8, f32) },
}

/// One number that is none, in each place where there can be one.
fn nowhere_numbers() -> Vec<Measured> {
    let mut all = Vec::new();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let whole = Measured::default;
        let inner = |inner| BTreeMap::from([("inner".to_owned(), inner)]);
        all.extend([
            Measured { value: number, ..whole() },
            Measured { small: number as f32, ..whole() },
            Measured { all: vec![1.0, number], ..whole() },
            Measured { by_name: inner(Inner::One(number)), ..whole() },
            Measured { by_name: inner(Inner::Two { part: (1, number as f32) }), ..whole() },
            Measured { maybe: Some(number), ..whole() },
        ]);
    }
    all
}

const TEXT: &str =
    "JSON has no number for NaN and the infinities: make the field an `Option`, or send a text in its place";

#[test]
fn an_event_with_what_is_no_number_has_no_form_as_json() {
    for event in nowhere_numbers() {
        assert_eq!(event.to_json().unwrap_err().to_string(), TEXT, "{event:?}");
    }
    let whole = Measured { value: f64::MAX, small: 0.5, all: vec![0.1], maybe: None, ..Measured::default() };
    let expected = json!({"value": f64::MAX, "small": 0.5, "all": [0.1], "by_name": {}, "maybe": null});
    assert_eq!(whole.to_json().unwrap(), expected);
}

#[convoke::test]
async fn who_hears_it_by_its_type_hears_it_and_who_hears_json_is_told_why_not() {
    let bus = EventBus::default();
    let heard = Rc::new(RefCell::new(0));
    let (typed, untyped) = (heard.clone(), Rc::new(RefCell::new(Vec::new())));
    let _typed = bus.on(move |_: &Measured| *typed.borrow_mut() += 1).unwrap();
    let noted = untyped.clone();
    let _json =
        bus.on_topic("measured", move |event: &JsonEvent| noted.borrow_mut().push(event.payload().clone())).unwrap();
    for event in nowhere_numbers() {
        let report = bus.emit(event).await;
        let errors: Vec<_> = report.failed().map(|(_, error)| error).collect();
        assert!(
            matches!(&errors[..], [ListenerError::BadPayload(bad)] if bad.to_string().contains(TEXT)),
            "{report:?}"
        );
    }
    assert_eq!((*heard.borrow(), untyped.take()), (18, vec![]));
}

#[convoke::test]
async fn it_does_not_leave_the_process_as_null() {
    let bus = EventBus::builder().publisher("Meter").build();
    let queue = Memory::queue("out");
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    for event in nowhere_numbers() {
        assert!(bus.emit(event.clone()).await.ok().is_err());
        bus.publish(event).unwrap();
    }
    bus.drain().await;
    assert!(queue.packets().is_empty());
    assert_eq!(bus.dead_letters().len(), 2 * 18, "nothing is lost in silence");
    bus.emit(Measured::default()).await.ok().unwrap();
    assert_eq!(queue.packets().len(), 1);
}
