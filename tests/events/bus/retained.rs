//! The last event of a topic, kept for those who subscribe later.

use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::{Notes, at_once, settled};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "weather/now", retained)]
struct Weather {
    degrees: i64,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "weather/forecast")]
struct Forecast {
    degrees: i64,
}

fn degrees(notes: &Notes<i64>) -> impl Fn(&Weather) + 'static {
    let notes = notes.clone();
    move |weather| notes.add(weather.degrees)
}

fn topics(notes: &Notes<(String, Value)>) -> impl Fn(&JsonEvent) + 'static {
    let notes = notes.clone();
    move |event| notes.add((event.topic().to_owned(), event.payload().clone()))
}

#[convoke::test]
async fn who_subscribes_later_hears_the_last_one_and_only_that() {
    let bus = EventBus::default();
    let (early, late) = (Notes::new(), Notes::new());
    let _early = bus.on(degrees(&early)).unwrap();
    bus.publish(Weather { degrees: 1 }).unwrap();
    at_once(bus.emit(Weather { degrees: 2 })).await.ok().unwrap();
    at_once(bus.publish_wait(Weather { degrees: 3 })).await.unwrap();
    at_once(bus.drain()).await;
    assert_eq!(early.take(), [2, 1, 3]);
    let guard = bus.on(degrees(&late)).unwrap();
    assert!(late.take().is_empty(), "it is queued, as if it were published");
    settled().await;
    assert_eq!((late.take(), early.take()), (vec![3], vec![]));
    bus.publish(Weather { degrees: 4 }).unwrap();
    settled().await;
    assert_eq!((late.take(), early.take()), (vec![4], vec![4]));
    assert_eq!(guard.info().done, 2);
}

#[convoke::test]
async fn it_is_kept_even_if_nobody_hears_it_yet() {
    let bus = EventBus::default();
    at_once(bus.emit(Weather { degrees: 1 })).await.ok().unwrap();
    assert_eq!(bus.unheard(), 1);
    let notes = Notes::new();
    let _late = bus.on(degrees(&notes)).unwrap();
    settled().await;
    assert_eq!(notes.take(), [1]);
}

#[convoke::test]
async fn an_event_that_is_not_retained_is_not() {
    let bus = EventBus::default();
    let notes = Notes::new();
    bus.publish(Forecast { degrees: 1 }).unwrap();
    bus.publish_json("weather/other", json!(1)).unwrap();
    let _late = bus.on_topic("**", topics(&notes)).unwrap();
    settled().await;
    assert!(notes.take().is_empty());
}

#[convoke::test]
async fn json_and_types_meet_in_what_is_retained() {
    let bus = EventBus::default();
    let (typed, json) = (Notes::new(), Notes::new());
    bus.publish(Weather { degrees: 1 }).unwrap();
    let _json = bus.on_topic("weather/*", topics(&json)).unwrap();
    settled().await;
    assert_eq!(json.take(), [("weather/now".to_owned(), json!({ "degrees": 1 }))]);
    bus.publish_retained("weather/now", json!({ "degrees": 2 })).unwrap();
    let _typed = bus.on(degrees(&typed)).unwrap();
    settled().await;
    assert_eq!(typed.take(), [2]);
    assert_eq!(json.take().len(), 1);
    // A bad payload is a failure of the late subscriber.
    bus.publish_retained("weather/now", json!("warm")).unwrap();
    settled().await;
    let letters = bus.dead_letters();
    assert_eq!(letters.take_all().len(), 1);
    let late = bus.on(degrees(&typed)).unwrap();
    settled().await;
    assert_eq!((late.info().failed, letters.take_all().len()), (1, 1));
    assert!(typed.take().is_empty());
}

#[convoke::test]
async fn a_late_subscriber_to_several_topics_hears_the_last_of_each_once() {
    let bus = EventBus::default();
    let notes = Notes::new();
    for (topic, value) in [("a/b", 1), ("c", 2), ("a/b", 3), ("a/c/d", 4), ("x/y", 5)] {
        bus.publish_retained(topic, json!(value)).unwrap();
    }
    let _late = bus.on_topic(["a/*", "**", "c", "a/b"], topics(&notes)).unwrap();
    let first = Notes::new();
    let _some = bus.on_topic("a/**", topics(&first)).unwrap();
    settled().await;
    let expected =
        [("a/b", 3), ("c", 2), ("a/c/d", 4), ("x/y", 5)].map(|(topic, value)| (topic.to_owned(), json!(value)));
    assert_eq!(notes.take(), expected, "in the order in which the topics came");
    assert_eq!(first.take().len(), 2);
}

#[convoke::test]
async fn who_does_not_want_it_does_not_hear_it() {
    let bus = EventBus::default();
    let notes = Notes::new();
    bus.publish(Weather { degrees: 1 }).unwrap();
    let _skips = bus.on(degrees(&notes).listening().skip_retained()).unwrap();
    let _picky = bus.on(degrees(&notes).when(|weather| weather.degrees > 5)).unwrap();
    settled().await;
    assert!(notes.take().is_empty());
    bus.publish(Weather { degrees: 6 }).unwrap();
    settled().await;
    assert_eq!(notes.take(), [6, 6]);
}

#[convoke::test]
async fn once_is_satisfied_with_what_is_retained() {
    let bus = EventBus::default();
    let notes = Notes::new();
    bus.publish(Weather { degrees: 1 }).unwrap();
    let once = bus.on(degrees(&notes).once()).unwrap();
    assert!(!once.is_active());
    bus.publish(Weather { degrees: 2 }).unwrap();
    settled().await;
    assert_eq!(notes.take(), [1]);
    assert!(bus.subscriptions().is_empty());
}

#[convoke::test]
async fn what_is_forgotten_is_not_heard_and_can_be_kept_again() {
    let bus = EventBus::default();
    let notes = Notes::new();
    bus.publish(Weather { degrees: 1 }).unwrap();
    assert!(bus.forget_retained("weather/now"));
    assert!(!bus.forget_retained("weather/now"));
    let _late = bus.on(degrees(&notes)).unwrap();
    settled().await;
    assert!(notes.take().is_empty());
    bus.publish(Weather { degrees: 2 }).unwrap();
    let _later = bus.on(degrees(&notes)).unwrap();
    settled().await;
    assert_eq!(notes.take(), [2, 2]);
}

#[convoke::test]
async fn of_too_many_topics_the_least_recently_updated_is_forgotten() {
    let bus = EventBus::builder().retained_topics(2).build();
    let notes = Notes::new();
    for (topic, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
        bus.publish_retained(topic, json!(value)).unwrap();
    }
    let _late = bus.on_topic("**", topics(&notes)).unwrap();
    settled().await;
    assert_eq!(
        notes.take(),
        [("a".to_owned(), json!(3)), ("c".to_owned(), json!(4))],
        "the first known is still in use"
    );
    assert!(bus.forget_retained("a") && !bus.forget_retained("b"));
    for (topic, value) in [("d", 5), ("c", 6), ("e", 7)] {
        bus.publish_retained(topic, json!(value)).unwrap();
    }
    assert!(bus.forget_retained("c") && bus.forget_retained("e") && !bus.forget_retained("d"));
    let none = EventBus::builder().retained_topics(0).build();
    none.publish(Weather { degrees: 1 }).unwrap();
    assert!(!none.forget_retained("weather/now"));
}

#[convoke::test]
async fn its_metadata_is_that_of_its_emission() {
    let bus = EventBus::builder().publisher("Station").build();
    let started = Metadata::new("now").time;
    bus.publish(Weather { degrees: 1 }).unwrap();
    crate::common::sleep(crate::common::SECOND).await;
    let notes = Notes::new();
    let seen = notes.clone();
    let late = bus.on(move |_: &Weather, metadata: Metadata| seen.add(metadata)).unwrap();
    settled().await;
    let [metadata] = notes.take().try_into().unwrap();
    assert_eq!((metadata.time, &*metadata.publisher), (started, "Station"));
    drop(late);
}

#[convoke::test]
async fn a_local_event_is_retained_for_its_type_alone() {
    #[derive(Event)]
    #[event(local, retained, topic = "weather/local")]
    struct Local(i64);

    let bus = EventBus::default();
    let (typed, json) = (Notes::new(), Notes::new());
    bus.publish(Local(1)).unwrap();
    let _json = bus.on_topic("**", topics(&json)).unwrap();
    let notes = typed.clone();
    let _typed = bus.on(move |local: &Local| notes.add(local.0)).unwrap();
    settled().await;
    assert_eq!((typed.take(), json.take().len()), (vec![1], 0));
    assert!(bus.dead_letters().is_empty());
}
