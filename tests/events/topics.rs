//! Topics: JSON and types together, wildcards, one delivery for an overlap, and payloads that do not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use convoke::prelude::*;
use convoke::{ListenerError, Pattern, Reason, TopicError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::common::{Notes, at_once, settled};

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "orders/placed", version = 2)]
struct OrderPlaced {
    id: u64,
    note: Option<String>,
}

fn order(id: u64) -> OrderPlaced {
    OrderPlaced { id, note: None }
}

/// Writes down topic and payload of all it hears.
fn note(notes: &Notes<(String, Value)>) -> impl Fn(&JsonEvent) + 'static {
    let notes = notes.clone();
    move |event| notes.add((event.topic().to_owned(), event.payload().clone()))
}

// Types and JSON.

#[convoke::test]
async fn a_typed_event_is_heard_as_json_on_its_topic() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let seen = notes.clone();
    let listener = move |event: &JsonEvent| {
        assert_eq!((event.name(), event.topic()), ("OrderPlaced", "orders/placed"));
        // It is read as the payload itself.
        assert_eq!(event["id"], event.payload()["id"]);
        seen.add(event.clone());
    };
    let _json = bus.on_topic("orders/placed", listener).unwrap();
    assert!(at_once(bus.emit(order(1))).await.is_ok());
    bus.publish(order(2)).unwrap();
    at_once(bus.publish_wait(order(3))).await.unwrap();
    settled().await;
    let payloads: Vec<_> = notes.take().iter().map(|event| event.payload().clone()).collect();
    assert_eq!(payloads, [1, 2, 3].map(|id| json!({ "id": id, "note": null })));
}

#[convoke::test]
async fn json_on_its_topic_is_heard_as_the_typed_event() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let [sync, later] = [1, 2].map(|_| notes.clone());
    let _sync = bus.on(move |event: &OrderPlaced| sync.add(event.clone())).unwrap();
    let _later = bus.on(async move |event: Arc<OrderPlaced>| later.add((*event).clone())).unwrap();
    let report = at_once(bus.emit_json("orders/placed", json!({ "id": 1 })).unwrap()).await;
    assert!(report.is_ok() && report.len() == 2, "{report}");
    assert_eq!(report.event(), "orders/placed");
    bus.publish_json("orders/placed", json!({ "id": 2, "note": "urgent", "other": [1] })).unwrap();
    settled().await;
    let urgent = OrderPlaced { id: 2, note: Some("urgent".to_owned()) };
    assert_eq!(notes.take(), [order(1), order(1), urgent.clone(), urgent]);
    assert!(at_once(bus.emit_json("orders", json!({ "id": 1 })).unwrap()).await.is_empty());
}

#[convoke::test]
async fn json_that_is_emitted_is_heard_by_topics_as_it_is() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let _json = bus.on_topic("**", note(&notes)).unwrap();
    for payload in [json!(null), json!(1.5), json!("text"), json!([1, { "a": null }]), json!({})] {
        assert!(at_once(bus.emit_json("any/topic", payload.clone()).unwrap()).await.is_ok());
        bus.publish_json("any/topic", payload.clone()).unwrap();
        settled().await;
        let heard = ("any/topic".to_owned(), payload);
        assert_eq!(notes.take(), [heard.clone(), heard]);
    }
}

#[convoke::test]
async fn types_that_share_a_topic_hear_its_json_but_not_each_other() {
    #[derive(Event, Serialize, Deserialize)]
    #[event(topic = "orders/placed")]
    struct Old {
        id: u64,
    }

    let bus = EventBus::default();
    let notes = Notes::new();
    let [new, old] = [1, 2].map(|_| notes.clone());
    let _new = bus.on(move |event: &OrderPlaced| new.add(("new", event.id))).unwrap();
    let _old = bus.on(move |event: &Old| old.add(("old", event.id))).unwrap();
    at_once(bus.emit(order(1))).await.ok().unwrap();
    at_once(bus.emit(Old { id: 2 })).await.ok().unwrap();
    at_once(bus.emit_json("orders/placed", json!({ "id": 3 })).unwrap()).await.ok().unwrap();
    assert_eq!(notes.take(), [("new", 1), ("old", 2), ("new", 3), ("old", 3)]);
}

/// Counts how often it is converted.
#[derive(Event)]
#[event(topic = "counted")]
struct Counted(Arc<AtomicUsize>);

static READ: AtomicUsize = AtomicUsize::new(0);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        serializer.serialize_u32(7)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::default()))
    }
}

#[convoke::test]
async fn an_event_is_converted_once_for_all_who_see_it_so_and_not_at_all_for_nobody() {
    let bus = EventBus::default();
    let written = Arc::new(AtomicUsize::new(0));
    let typed: Vec<_> = (0..3).map(|_| bus.on(|_: &Counted| ()).unwrap()).collect();
    at_once(bus.emit(Counted(written.clone()))).await.ok().unwrap();
    bus.publish(Counted(written.clone())).unwrap();
    settled().await;
    assert_eq!((written.load(Ordering::Relaxed), READ.load(Ordering::Relaxed)), (0, 0), "nobody sees it as JSON");

    let patterns = ["counted", "*", "**"];
    let topics: Vec<_> = patterns
        .iter()
        .map(|pattern| bus.on_topic(*pattern, |event: &JsonEvent| assert_eq!(**event, 7)).unwrap())
        .collect();
    at_once(bus.emit(Counted(written.clone()))).await.ok().unwrap();
    assert_eq!(written.swap(0, Ordering::Relaxed), 1);
    bus.publish(Counted(written.clone())).unwrap();
    settled().await;
    assert_eq!((written.load(Ordering::Relaxed), READ.load(Ordering::Relaxed)), (1, 0));

    at_once(bus.emit_json("counted", json!(7)).unwrap()).await.ok().unwrap();
    assert_eq!(READ.swap(0, Ordering::Relaxed), 1);
    bus.publish_json("counted", json!(7)).unwrap();
    settled().await;
    assert_eq!(READ.load(Ordering::Relaxed), 1);
    assert!(bus.dead_letters().is_empty());
    drop((typed, topics));
}

// Who hears what.

#[convoke::test]
async fn one_segment_any_number_and_the_topic_itself() {
    const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "a/x/c", "b", "b/b/c"];
    let bus = EventBus::default();
    let expectations: [(&str, &[&str]); 8] = [
        ("a", &["a"]),
        ("a/b", &["a/b"]),
        ("*", &["a", "b"]),
        ("a/*", &["a/b"]),
        ("a/*/c", &["a/b/c", "a/x/c"]),
        ("**", &TOPICS),
        ("a/**", &["a", "a/b", "a/b/c", "a/x/c"]),
        ("**/c", &["a/b/c", "a/x/c", "b/b/c"]),
    ];
    let mut listeners = Vec::new();
    for (pattern, expected) in expectations {
        let notes = Notes::new();
        listeners.push((notes.clone(), expected, bus.on_topic(pattern, note(&notes)).unwrap()));
    }
    for topic in TOPICS {
        at_once(bus.emit_json(topic, json!(0)).unwrap()).await.ok().unwrap();
    }
    for (notes, expected, guard) in &listeners {
        let heard: Vec<_> = notes.take().into_iter().map(|(topic, _)| topic).collect();
        assert_eq!(heard, *expected, "{}", guard.info().hears);
    }
    // A topic that has become known is looked up anew when somebody comes or goes.
    let (all, _, _) = &listeners[5];
    let newcomer = bus.on_topic("b/**", note(all)).unwrap();
    bus.publish_json("b/b/c", json!(1)).unwrap();
    settled().await;
    assert_eq!(all.take().len(), 2);
    drop(newcomer);
    bus.publish_json("b/b/c", json!(1)).unwrap();
    settled().await;
    assert_eq!(all.take().len(), 1);
}

#[convoke::test]
async fn an_overlap_delivers_once() {
    let bus = EventBus::default();
    let (notes, other) = (Notes::new(), Notes::new());
    let overlapping = bus.on_topic(["orders/placed", "orders/*", "**", "**", "*/placed"], note(&notes)).unwrap();
    assert_eq!(overlapping.info().hears, "orders/placed, orders/*, **, **, */placed");
    let _other = bus.on_topic("orders/**", note(&other)).unwrap();
    let report = at_once(bus.emit(order(1))).await;
    assert_eq!((report.len(), notes.take().len(), other.take().len()), (2, 1, 1));
    let report = at_once(bus.emit_json("orders/placed", json!({ "id": 1 })).unwrap()).await;
    assert_eq!((report.len(), notes.take().len(), other.take().len()), (2, 1, 1));
    bus.publish(order(2)).unwrap();
    bus.publish_json("orders/placed", json!({ "id": 1 })).unwrap();
    settled().await;
    assert_eq!((notes.take().len(), other.take().len()), (2, 2));
    drop(overlapping);
    assert_eq!(at_once(bus.emit(order(3))).await.len(), 1, "nothing of it is left under any pattern");
    assert!(notes.take().is_empty());
}

#[convoke::test]
async fn registered_twice_is_heard_twice() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let [first, second] = [1, 2].map(|_| bus.on_topic("orders/*", note(&notes)).unwrap());
    assert_eq!(at_once(bus.emit(order(1))).await.len(), 2);
    drop(first);
    assert_eq!(at_once(bus.emit(order(1))).await.len(), 1);
    assert_eq!(notes.take().len(), 3);
    drop(second);
}

#[convoke::test]
async fn a_pattern_may_be_made_beforehand() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let pattern = Pattern::new("orders/*").unwrap();
    let _one = bus.on_topic(pattern.clone(), note(&notes)).unwrap();
    let _several = bus.on_topic(vec![pattern.clone(), Pattern::new("users/*").unwrap()], note(&notes)).unwrap();
    at_once(bus.emit(order(1))).await.ok().unwrap();
    at_once(bus.emit_json("users/left", json!(1)).unwrap()).await.ok().unwrap();
    assert_eq!(notes.take().len(), 3);
}

#[convoke::test]
async fn every_form_of_listener_hears_json() {
    struct Struct(Notes<&'static str>);

    impl Listener<JsonEvent> for Struct {
        async fn hear(&self, event: Heard<JsonEvent>) -> Handled {
            assert_eq!((event["id"].as_u64(), event.topic()), (Some(1), "orders/placed"));
            assert_eq!((event.metadata().event.as_str(), event.metadata().version), ("OrderPlaced", 2));
            self.0.add("struct");
            Ok(())
        }
    }

    let bus = EventBus::default();
    let notes = Notes::new();
    let [by_ref, by_arc, later, picky] = [1, 2, 3, 4].map(|_| notes.clone());
    let guards = [
        bus.on_topic("**", move |_: &JsonEvent, _: EventBus| by_ref.add("by ref")),
        bus.on_topic("**", move |_: Arc<JsonEvent>| by_arc.add("by arc")),
        bus.on_topic("**", async move |_: Arc<JsonEvent>, _: Metadata| later.add("later")),
        bus.on_topic("**", (move |_: &JsonEvent| picky.add("picky")).when(|event| event["id"] == 1)),
        bus.on_topic(
            "**",
            (|_: &JsonEvent| -> () { panic!("it is not wanted") }).when(|event: &JsonEvent| event["id"] == 2),
        ),
        bus.on_topic("**", Struct(notes.clone())),
    ]
    .map(Result::unwrap);
    let report = at_once(bus.emit(order(1))).await;
    assert!(report.is_ok() && report.len() == 5, "{report}");
    assert_eq!(notes.take(), ["by ref", "by arc", "later", "picky", "struct"]);
    drop(guards);
}

#[convoke::test]
async fn thousands_of_topics_are_heard_each() {
    const TOPICS: u64 = 3_000;
    let bus = EventBus::builder().capacity(10_000).build();
    let notes = Notes::new();
    let _all = bus.on_topic("many/*/of/them", note(&notes)).unwrap();
    for round in 0..2 {
        for topic in 0..TOPICS {
            bus.publish_json(&format!("many/{topic}/of/them"), json!(round)).unwrap();
        }
        at_once(bus.drain()).await;
        let heard: Vec<_> = notes.take().into_iter().map(|(topic, _)| topic).collect();
        assert_eq!(heard, (0..TOPICS).map(|topic| format!("many/{topic}/of/them")).collect::<Vec<_>>());
    }
}

// What does not fit.

#[convoke::test]
async fn a_payload_that_is_not_of_the_type_is_a_named_error_and_a_dead_letter() {
    let bus = EventBus::default();
    let (typed, json) = (Notes::new(), Notes::new());
    let heard = typed.clone();
    let _typed = bus.on((move |event: &OrderPlaced| heard.add(event.id)).named("receipts")).unwrap();
    let _json = bus.on_topic("orders/*", note(&json).named("log")).unwrap();
    let text = "the payload on `orders/placed` is not that of `OrderPlaced`: ";
    for (payload, reason) in [
        (json!({}), "missing field `id`"),
        (json!({ "id": "seven" }), "invalid type: string \"seven\", expected u64"),
        (json!(null), "invalid type: null, expected struct OrderPlaced"),
    ] {
        let report = at_once(bus.emit_json("orders/placed", payload.clone()).unwrap()).await;
        let error = ListenerError::BadPayload(format!("{text}{reason}"));
        assert_eq!(report.failed().collect::<Vec<_>>(), [("receipts", &error)]);
        assert_eq!(error.to_string(), format!("could not be told: {text}{reason}"));
        bus.publish_json("orders/placed", payload.clone()).unwrap();
        settled().await;
        let letters = bus.dead_letters().take_all();
        assert_eq!(letters.len(), 2);
        for letter in letters {
            assert_eq!(
                (letter.listener.as_deref(), &letter.reason),
                (Some("receipts"), &Reason::Failed(error.clone()))
            );
            assert_eq!((letter.topic.as_str(), letter.payload()), ("orders/placed", Some(payload.clone())));
            assert!(letter.downcast::<OrderPlaced>().is_none());
        }
        assert_eq!(json.take().len(), 2, "others hear it");
    }
    assert!(typed.take().is_empty());
    at_once(bus.emit_json("orders/placed", json!({ "id": 1 })).unwrap()).await.ok().unwrap();
    assert_eq!(typed.take(), [1]);
}

#[convoke::test]
async fn an_event_that_cannot_become_json_fails_for_those_who_want_it_so() {
    #[derive(Event, Deserialize)]
    #[event(topic = "never/json")]
    struct Never;

    impl Serialize for Never {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }

    let bus = EventBus::default();
    let notes = Notes::new();
    let heard = notes.clone();
    let _typed = bus.on(move |_: &Never| heard.add(())).unwrap();
    let _json = bus.on_topic("**", (|_: &JsonEvent| ()).named("log")).unwrap();
    let report = at_once(bus.emit(Never)).await;
    let text = "Never: 2 listeners, 1 failed: `log` could not be told: the payload on `never/json` is not that of `Never`: \
                not today";
    assert_eq!((report.to_string().as_str(), notes.take().len()), (text, 1));
    bus.publish(Never).unwrap();
    settled().await;
    let letters = bus.dead_letters().list();
    assert_eq!((letters.len(), notes.take().len()), (2, 1));
    assert_eq!(letters[1].payload(), None);
    assert!(letters[1].downcast::<Never>().is_some());
}

#[convoke::test]
async fn what_is_no_topic_is_refused_before_anybody_hears_it() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let _all = bus.on_topic("**", note(&notes)).unwrap();
    for topic in ["", "/a", "a/", "a//b", "a/*", "**", "a b\n", " a"] {
        let error: TopicError = bus.emit_json(topic, json!(1)).unwrap_err();
        assert!(!error.to_string().is_empty());
        assert_eq!(bus.publish_json(topic, json!(1)), Err(PublishError::Topic(error.clone())), "{topic:?}");
        assert_eq!(bus.publish_retained(topic, json!(1)), Err(PublishError::Topic(error.clone())));
        assert_eq!(PublishError::from(error.clone()).to_string(), error.to_string());
    }
    settled().await;
    assert!(notes.take().is_empty() && bus.unheard() == 0);
    assert!(!bus.forget_retained("a/*"));
}

#[convoke::test]
async fn what_is_no_pattern_is_refused_and_leaves_nothing_behind() {
    let bus = EventBus::default();
    for pattern in ["", "a//b", "/", "a/***", "a\n"] {
        let error = bus.on_topic(pattern, |_: &JsonEvent| ()).unwrap_err();
        let ListenError::Pattern(inner) = &error else { panic!("{error}") };
        assert_eq!(error.to_string(), inner.to_string());
        assert!(bus.on_topic(["good/*", pattern], |_: &JsonEvent| ()).is_err());
    }
    let error = bus.on_topic(Vec::<Pattern>::new(), |_: &JsonEvent| ()).unwrap_err();
    assert_eq!(error, ListenError::NoPattern);
    assert_eq!(error.to_string(), "no pattern is given: name at least one, or `**` for every topic");
    let none: [&str; 0] = [];
    assert_eq!(bus.on_topic(none, |_: &JsonEvent| ()).unwrap_err(), ListenError::NoPattern);
    assert!(bus.subscriptions().is_empty());
}
