//! A canary through every `Debug` and `Display` of what can hold an event, a key, or what was emitted in a round.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use convoke::codec::{CloudEvents, Codec, Wire};
use convoke::prelude::*;
use convoke::testing::{EventSynchronizer, FakeBus};
use convoke::transport::{
    Attribute, BoxFuture, DeadLetterRecord, DeadReason, Delivery, Memory, Packet, Publisher, Receipt, Settlement,
    TransportError,
};
use convoke::{Call, Emit, Envelope, Gathered, MemoryInbox, Next, Release, Retry, Route, Summons, Veto, Worker};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{SECOND, join_all, ms, sleep};

/// What must be seen nowhere.
const CANARY: &str = "ada@example.org";

#[derive(Event, Clone, Serialize, Deserialize)]
#[event(topic = "users/registered", entity_id = mail, contains_personal_data)]
struct UserRegistered {
    mail: String,
}

impl fmt::Debug for UserRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserRegistered({})", self.mail)
    }
}

fn user() -> UserRegistered {
    UserRegistered { mail: CANARY.to_owned() }
}

fn envelope() -> Envelope {
    let mut metadata = Metadata::of::<UserRegistered>();
    metadata.entity_id = Some(CANARY.to_owned().into());
    metadata.authorization = CANARY.into();
    Envelope::new(metadata, json!({ "mail": CANARY, CANARY: 1 }))
}

#[track_caller]
fn hides(name: &str, what: &dyn fmt::Debug) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        assert!(!text.is_empty() && !text.contains(CANARY), "{name}: {text}");
    }
}

#[track_caller]
fn hides_both(name: &str, what: &(impl fmt::Debug + fmt::Display)) {
    hides(name, what);
    assert!(!what.to_string().contains(CANARY), "{name}: {what}");
}

/// Each of these by its name.
macro_rules! hide {
    ($($what:expr),* $(,)?) => { $(hides(stringify!($what), &$what);)* };
}

struct Keeps;

impl Receipt for Keeps {
    fn settle(self: Box<Self>, _: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }
}

#[convoke::test]
async fn the_entity_of_personal_metadata_is_not_shown() {
    let Envelope { mut metadata, payload } = envelope();
    hide!(metadata, Some(&metadata), Envelope::new(metadata.clone(), payload));
    assert!(format!("{metadata:?}").contains("entity_id: Some((hidden: personal data))"), "{metadata:?}");
    metadata.entity_id = None;
    assert!(format!("{metadata:?}").contains("entity_id: None"), "{metadata:?}");
    // What is not marked is shown.
    metadata.contains_personal_data = false;
    metadata.entity_id = Some("17".into());
    assert!(format!("{metadata:?}").contains("entity_id: Some(\"17\")"), "{metadata:?}");
}

#[test]
fn the_key_of_a_packet_a_delivery_and_a_record_is_not_shown() {
    for codec in [&Wire as &dyn Codec, &CloudEvents::structured(), &CloudEvents::binary()] {
        let mut packet = codec.write(&envelope());
        packet.key = Some(CANARY.to_owned());
        packet.attributes.insert("mail", CANARY);
        let record = || DeadLetterRecord::new("sqs:users", &packet, 3, DeadReason::Rejected, vec!["no".into()]);
        let letter = record().bury(packet.clone(), 3, 100_000);
        let delivery = Delivery::new("sqs:users", letter.clone(), 1, Keeps);
        hide!(packet, letter, record(), DeadLetterRecord::of(&letter), DeadLetterRecord::revive(letter.clone()));
        hide!(delivery, delivery.record(DeadReason::Broken, Vec::new()), Settlement::DeadLetter(record()));
        hide!(packet.attributes, packet.attributes.iter().collect::<Vec<_>>());
        assert!(format!("{packet:?}").contains("key: Some((hidden))"), "{packet:?}");
    }
    hide!(Attribute::from(CANARY), Attribute::from([CANARY]), Attribute::from(vec![CANARY.to_owned()]));
    assert_eq!(
        format!("{:?} {:?}", Attribute::from("four"), Attribute::from(17_u64)),
        "String(4 bytes) Number(2 bytes)"
    );
    assert!(format!("{:?}", Packet::new("1", "")).contains("key: None"));
}

#[convoke::test]
async fn what_was_emitted_in_a_round_is_not_shown() {
    let gathered = Arc::new(Mutex::new(String::new()));
    let told = gathered.clone();
    let looks = move |gathered: &Gathered<'_, String>| {
        hides("gathered", gathered);
        *told.lock().unwrap() = format!("{gathered:?}");
        gathered.payloads().len() == 2
    };
    let broker = Broker::new(SECOND).release(Release::when(looks)).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let heard = Rc::new(RefCell::new(Vec::new()));
    let consumer = Consumer::join(&broker, {
        let heard = heard.clone();
        move |outcome: Outcome<String>| heard.borrow_mut().push(outcome)
    });
    let consumer = consumer.await.unwrap();
    let canary = || CANARY.to_owned();
    let (resolved, _) = tokio::join!(one.emit(canary()), two.emit(canary()));
    let cancelled = one.emit(canary()).await.unwrap();
    let resolved = resolved.unwrap();
    assert_eq!(resolved.payloads(), [CANARY, CANARY]);
    assert_eq!(*gathered.lock().unwrap(), "Gathered { payloads: 1, owing: 1 }");
    for outcome in [&resolved, &cancelled] {
        hides_both("outcome", outcome);
        hide!(outcome.signals().collect::<Vec<_>>(), outcome.missing().collect::<Vec<_>>(), outcome.consumed().await);
    }
    hides_both("resolved", &resolved.clone().resolved().unwrap());
    hides_both("cancelled", &cancelled.clone().cancelled().unwrap());
    hide!(heard.borrow(), resolved.signals().next(), Ok::<_, ()>(&resolved));
    let (summons, promise) = Summons::<String>::by_hand();
    hide!(summons, promise, summons.pledge);
    summons.pledge.keep(canary());
    hide!(promise);
    let emission = one.emit(canary());
    hide!(emission, one, two, consumer, broker, Emit { key: None, payload: canary() }, Veto::<String>::new("no"));
    let snapshot = broker.send(convoke::Inspect).await.unwrap();
    hide!(snapshot);
    assert_eq!(format!("{:?}", resolved.signals().next().unwrap()), "one at 0ns");
}

#[convoke::test]
async fn what_is_answered_is_not_shown() {
    let bus = EventBus::default();
    let _answers = bus.answer(|user: &UserRegistered| Answer(user.mail.clone())).unwrap();
    let question = bus.request::<String>(user());
    hide!(question, bus.request_all::<String>(user()));
    assert_eq!(question.await.unwrap(), CANARY);
}

#[convoke::test]
async fn whatever_holds_an_event_in_the_bus_does_not_show_it() {
    let bus = EventBus::builder()
        .publisher("Users")
        .with(async |call: Call, next: Next| {
            hide!(call, next, call.metadata());
            next.run(call).await
        })
        .build()
        .with_authorization(CANARY);
    let looks = async |user: Arc<UserRegistered>, metadata: Metadata| {
        hide!(metadata);
        assert_eq!(user.mail, CANARY);
        Err::<(), _>("no")
    };
    struct Struct;
    impl Listener<UserRegistered> for Struct {
        async fn hear(&self, user: Heard<UserRegistered>) -> Handled {
            hide!(user, user.metadata());
            Err("no".into())
        }
    }
    impl Listener<JsonEvent> for Struct {
        async fn hear(&self, event: Heard<JsonEvent>) -> Handled {
            hide!(event, event.event(), event.metadata());
            Err("no".into())
        }
    }
    let guards = [
        bus.on::<UserRegistered, _>(looks.named("looks")).unwrap(),
        bus.on::<UserRegistered, _>(Struct).unwrap(),
        bus.on_topic("users/*", Struct).unwrap(),
    ];
    hide!(bus.emit(user()), bus.emit_envelope(envelope()).unwrap());
    for report in [bus.emit(user()).await, bus.emit_envelope(envelope()).unwrap().await] {
        assert_eq!(report.failed().count(), 3, "{report}");
        hides_both("report", &report);
        report.iter().for_each(|result| hides_both("result", &result));
        hide!(report.failed().collect::<Vec<_>>(), report.clone().ok());
    }
    let published = bus.publish(user());
    hide!(published, bus.publish_json("users/registered", json!(CANARY)));
    bus.drain().await;
    for letter in bus.dead_letters().list() {
        hides_both("letter", &*letter);
        hides_both("reason", &letter.reason);
        hide!(letter.metadata);
    }
    hide!(bus, bus.dead_letters(), bus.subscriptions(), guards, guards[0].info());
    let personal = JsonEvent::new("users/registered", json!(1));
    hide!(personal);
}

#[convoke::test]
async fn what_a_test_records_does_not_show_it() {
    let fake = FakeBus::new();
    fake.bus().publish(user()).unwrap();
    drop(fake.bus().emit_envelope(envelope()).unwrap().await);
    hide!(fake, fake.seen());
    assert_eq!(fake.seen().len(), 2);
    fake.seen().iter().for_each(|seen| hides_both("seen", seen));
    let bus = EventBus::default();
    let mut events = EventSynchronizer::new(&bus);
    bus.publish(user()).unwrap();
    let seen = events.wait_for_event("users/registered").await.unwrap();
    hides_both("seen", &seen);
    hide!(events, seen.metadata());
    let unmet = events.wait_for_event("users/other").timeout(ms(1)).await.unwrap_err();
    hides_both("unmet", &unmet);
}

#[convoke::test]
async fn routes_workers_and_queues_do_not_show_it() {
    let queue = Memory::queue("users");
    let bus = EventBus::builder().publisher("Users").build();
    let route = Route::new("Users/*", queue.clone()).ordered_by(|_| Some(CANARY.to_owned()));
    hide!(route);
    let out = route.open(&bus).unwrap();
    bus.emit(user()).await.ok().unwrap();
    hide!(out, queue, queue.packets());
    let there = EventBus::default();
    let _fails = there.on((|_: &UserRegistered| Err::<(), _>("no")).named("fails")).unwrap();
    let inbox = MemoryInbox::new(SECOND);
    let worker = Worker::new(queue.clone(), &there).retry(Retry::never()).deduplicate(inbox.clone());
    hide!(worker, inbox);
    let worker = worker.start().await.unwrap();
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
    hide!(worker, worker.health(), queue.dead_letters(), queue.dead_letters().packets());
    let report = worker.drain().await.unwrap();
    hides_both("report", &report);
    assert_eq!(report.dead, 1);
    let taken = queue.publish(&queue.dead_letters().packets()).await;
    hide!(taken);
}
