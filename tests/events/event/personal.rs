//! Personal data: no `Debug`, no error and no log of ours shows the payload of an event that is marked so.

use std::fmt;
use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::{Envelope, testing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::common::{Notes, at_once, in_a_process_of_its_own, ms, settled, sleep};

/// What must be seen nowhere.
const SECRET: &str = "ada@example.org";

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
struct UserRegistered {
    mail: String,
}

fn user() -> UserRegistered {
    UserRegistered { mail: SECRET.to_owned() }
}

/// Cannot become JSON, and says too much about it.
#[derive(Event)]
#[event(topic = "users/unwritable", contains_personal_data)]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format_args!("cannot write {SECRET}")))
    }
}

impl<'de> Deserialize<'de> for Unwritable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[track_caller]
fn hides(what: &dyn fmt::Debug) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[convoke::test]
async fn what_is_heard_hides_it_and_yet_has_it() {
    struct Struct(Notes<String>);

    impl Listener<UserRegistered> for Struct {
        async fn hear(&self, user: Heard<UserRegistered>) -> Handled {
            hides(&user);
            self.0.add(user.mail.clone());
            Ok(())
        }
    }

    impl Listener<JsonEvent> for Struct {
        async fn hear(&self, event: Heard<JsonEvent>) -> Handled {
            hides(&event);
            hides(event.event());
            assert!(event.metadata().contains_personal_data);
            self.0.add(event["mail"].as_str().unwrap().to_owned());
            Ok(())
        }
    }

    let bus = EventBus::default();
    let notes = Notes::new();
    let _typed = bus.on::<UserRegistered, _>(Struct(notes.clone())).unwrap();
    let _json = bus.on_topic("users/*", Struct(notes.clone())).unwrap();
    hides(&bus.emit(user()));
    at_once(bus.emit(user())).await.ok().unwrap();
    bus.publish(user()).unwrap();
    settled().await;
    // What is emitted as JSON on the topic of such an event is one.
    at_once(bus.emit_json("users/registered", json!({ "mail": SECRET })).unwrap()).await.ok().unwrap();
    bus.publish_retained("users/registered", json!({ "mail": SECRET })).unwrap();
    let late = bus.on_topic("users/*", Struct(notes.clone())).unwrap();
    settled().await;
    assert_eq!(notes.take(), [SECRET; 9]);
    drop(late);
}

#[convoke::test]
async fn dead_letters_reports_and_errors_hide_it_and_a_letter_yet_has_it() {
    let bus = EventBus::default();
    let guards = [
        bus.on((|_: &UserRegistered| Err::<(), _>("no")).named("mail")).unwrap(),
        bus.on((|_: &Unwritable| ()).named("unwritable")).unwrap(),
        bus.on_topic("**", (|_: &JsonEvent| ()).named("json")).unwrap(),
    ];
    let reports = [
        at_once(bus.emit(user())).await,
        at_once(bus.emit(Unwritable)).await,
        // Serde quotes what it has read.
        at_once(bus.emit_json("users/registered", json!(SECRET)).unwrap()).await,
        at_once(bus.emit_json("users/registered", json!({ SECRET: 1 })).unwrap()).await,
    ];
    for report in &reports {
        assert!(!report.is_ok(), "{report}");
        hides(report);
        hides(&report.to_string());
        hides(&report.failed().collect::<Vec<_>>());
        hides(&serde_json::to_string(&report.iter().collect::<Vec<_>>()).unwrap());
    }
    let text =
        "could not be told: the payload on `users/registered` is not that of `UserRegistered`: (hidden: personal data)";
    assert_eq!(reports[2].failed().next().unwrap().1.to_string(), text);
    for letter in bus.dead_letters().list() {
        hides(&letter);
        hides(&letter.to_string());
        hides(&letter.metadata);
        assert!(letter.metadata.contains_personal_data);
    }
    let payloads: Vec<Option<Value>> = bus.dead_letters().list().iter().map(|letter| letter.payload()).collect();
    assert_eq!(payloads, [Some(json!({ "mail": SECRET })), None, Some(json!(SECRET)), Some(json!({ SECRET: 1 }))]);
    hides(&bus);
    hides(&bus.dead_letters());
    hides(&bus.subscriptions());
    drop(guards);
}

#[convoke::test]
async fn questions_and_middleware_hide_it() {
    let bus = EventBus::builder()
        .with(async |call: Call, next: Next| {
            hides(&call);
            hides(&next);
            next.run(call).await
        })
        .build();
    let _answers = bus.answer(|user: &UserRegistered| Answer(user.mail.len())).unwrap();
    let question = bus.request::<usize>(user());
    hides(&question);
    assert_eq!(question.await.unwrap(), SECRET.len());
    hides(&bus.request_all::<usize>(user()));
    let _fails = bus.answer(|_: &UserRegistered| Err::<String, _>("no")).unwrap();
    let error = bus.request::<String>(user()).await.unwrap_err();
    hides(&error);
    hides(&error.to_string());
}

#[convoke::test]
async fn an_authorization_is_shown_nowhere() {
    let bus = EventBus::default().with_authorization(SECRET);
    let notes = Notes::new();
    let seen = notes.clone();
    let _sees = bus.on(move |_: &UserRegistered, metadata: Metadata| seen.add(metadata)).unwrap();
    at_once(bus.emit(user())).await.ok().unwrap();
    let [metadata] = notes.take().try_into().unwrap();
    assert_eq!(metadata.authorization.expose(), SECRET);
    hides(&metadata);
    hides(&metadata.authorization);
    hides(&Envelope::new(metadata, json!({ "mail": SECRET })));
    hides(&bus);
}

#[convoke::test]
async fn what_is_not_marked_is_shown() {
    let event = JsonEvent::new("any/topic", json!({ "mail": SECRET }));
    assert!(format!("{event:?}").contains(SECRET));
}

/// What our log targets write, line by line.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("convoke") {
            self.0.lock().unwrap().push(format!("{} {} {}", record.level(), record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

#[test]
fn the_log_hides_it() {
    in_a_process_of_its_own("events::event::personal::the_log_hides_it", || {
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        testing::run("the log hides it", async || {
            let who = ["fails", "panics", "hangs", "endless", "json", "UserRegistered"];
            who.into_iter().for_each(testing::expect_failure);
            let bus = EventBus::builder()
                .retained_topics(1)
                .capacity(1)
                .overflow(Overflow::DropOldest)
                .listener_timeout(ms(5))
                .max_depth(2)
                .build();
            let hangs = async |_: Arc<UserRegistered>| sleep(ms(10)).await;
            let guards = [
                bus.on((|_: &UserRegistered| Err::<(), _>("no")).named("fails")).unwrap(),
                bus.on((|_: &UserRegistered| -> () { panic!("oh") }).named("panics")).unwrap(),
                bus.on(hangs.named("hangs")).unwrap(),
                bus.on((|_: &UserRegistered, bus: EventBus| bus.publish(user()).map(drop)).named("endless")).unwrap(),
                bus.on_topic("**", (|_: &JsonEvent| Err::<(), _>("no")).named("json")).unwrap(),
            ];
            assert!(!bus.emit(user()).await.is_ok());
            assert!(!bus.emit(Unwritable).await.is_ok());
            for payload in [json!(SECRET), json!({ "mail": SECRET })] {
                assert!(!bus.emit_json("users/registered", payload.clone()).unwrap().await.is_ok());
                (0..3).for_each(|_| {
                    bus.publish_json("users/registered", payload.clone()).unwrap();
                });
                bus.publish_retained("users/registered", payload).unwrap();
                bus.publish_retained("users/other", json!(1)).unwrap();
            }
            (0..3).for_each(|_| {
                bus.publish(user()).unwrap();
            });
            drop(guards);
            sleep(ms(10)).await;
            drop(bus);
        });
        let lines = LINES.0.lock().unwrap();
        let expected = [
            "failed: no",
            "panicked: oh",
            "was not done",
            "could not be told",
            "dropped",
            "deep",
            "forgotten",
            "unregistered",
        ];
        for expected in expected {
            assert!(lines.iter().any(|line| line.contains(expected)), "nothing of `{expected}`: {lines:#?}");
        }
        for line in &*lines {
            assert!(!line.contains(SECRET), "{line}");
        }
    });
}
