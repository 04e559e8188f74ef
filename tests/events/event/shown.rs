//! What comes from outside and is shown: on one line, with nothing that controls, and no longer than a person reads.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};

use actix::{Context, Handler};
use convoke::codec::{CloudEvents, Codec, Wire};
use convoke::middleware::{Authorize, Logging, Unauthorized};
use convoke::prelude::*;
use convoke::transport::{
    Abilities, BoxFuture, DEAD_LETTER, DeadLetterRecord, DeadReason, ErrorKind, Memory, MemoryQueue, Packet, Publisher,
    TransportError,
};
use convoke::{
    BadPayload, BrokerError, BrokerId, Call, ConsumerError, EmitError, EmitterRef, Envelope, FailedConsumer, JoinError,
    ListenerError, Pattern, Permanent, Retry, RoundKey, Route, RouteError, ServiceError, StartError, TooDeep, Worker,
    WorkerError, middleware, testing,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::{SECOND, in_a_process_of_its_own, ms, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// What nobody may read as it is: lines of its own, the cursor moved, the direction turned.
const FORGED: &str = "Order\nWARN convoke::worker: forged\r\u{1b}[2J\u{9b}\u{0}\u{202e}\u{2066}\u{2028}\u{85}";

/// The same, and more than any disk has room for.
fn hostile() -> String {
    FORGED.to_owned() + &"x".repeat(50_000)
}

/// Fails unless a text is one line that a person can read.
#[track_caller]
fn is_harmless(text: &str) {
    let controls = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.chars().any(controls), "{}", text.chars().take(5_000).collect::<String>());
    assert!(text.len() <= 20_000, "{} bytes: {}", text.len(), text.chars().take(5_000).collect::<String>());
}

#[track_caller]
fn says_it_harmlessly(what: &dyn fmt::Display) {
    let text = what.to_string();
    is_harmless(&text);
    assert!(text.contains(r"Order\nWARN convoke::worker: forged\r\u{1b}[2J"), "{text}");
}

/// What our log targets write.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("convoke") {
            self.0.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Away, and says why in words of its server.
struct Rude;

impl Publisher for Rude {
    fn name(&self) -> &str {
        "rude"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        let away = || Err(TransportError::new(ErrorKind::Unreachable, "rude", format!("it says {}", hostile())));
        Box::pin(async move { packets.iter().map(|_| away()).collect() })
    }
}

async fn put(queue: &MemoryQueue, packets: Vec<Packet>) {
    for taken in queue.publish(&packets).await {
        taken.unwrap();
    }
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
}

/// Packets with something hostile in every place.
fn packets() -> Vec<Packet> {
    let mut named = Metadata::new(hostile());
    named.topic = "orders/placed".into();
    let mut homeless = Metadata::new(hostile());
    homeless.topic = "".into();
    let mut elsewhere = Metadata::new("OrderPlaced");
    elsewhere.topic = hostile().into();
    let mut published = Metadata::of::<OrderPlaced>();
    published.publisher = hostile().into();
    published.entity = hostile().into();
    let mut packets = Vec::new();
    for codec in [&Wire as &dyn Codec, &CloudEvents::structured(), &CloudEvents::binary()] {
        for metadata in [&named, &homeless, &elsewhere, &published] {
            let mut packet = codec.write(&Envelope::new(metadata.clone(), json!({"id": 7})));
            packet.key = Some(hostile());
            packets.push(packet);
        }
        // Serde quotes what it reads.
        packets.push(codec.write(&Envelope::new(named.clone(), json!({"id": hostile()}))));
    }
    let mut broken = Packet::new(hostile(), "no event");
    broken.attributes.insert(hostile(), hostile());
    packets.push(broken);
    packets
}

async fn rounds() {
    let broker = Broker::new(SECOND).start();
    let one = Emitter::join(&broker, Emitter::new(hostile())).await.unwrap();
    let two = Emitter::join(&broker, Emitter::new("two")).await.unwrap();
    let fails = Consumer::new(|_: Outcome<u32>| Err::<(), _>(hostile())).named(hostile());
    let consumer = Consumer::join(&broker, fails).await.unwrap();
    let (_, vetoed) = tokio::join!(one.emit_for(hostile(), 1), two.veto_for(hostile(), hostile()));
    let vetoed = vetoed.unwrap();
    says_it_harmlessly(&vetoed);
    says_it_harmlessly(&vetoed.consumed().await);
    let late = one.emit_for(hostile(), 2).await.unwrap();
    says_it_harmlessly(&late);
    says_it_harmlessly(&late.consumed().await);
    drop((consumer, one));
    sleep(SECOND).await;
}

#[derive(BaseService)]
#[service(on(OrderPlaced))]
struct Clerk;

impl Handler<Heard<OrderPlaced>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, _: Heard<OrderPlaced>, ctx: &mut Context<Self>) -> Handled {
        ctx.degrade(hostile());
        Err(hostile().into())
    }
}

#[test]
fn nothing_from_outside_writes_our_log() {
    in_a_process_of_its_own("events::event::shown::nothing_from_outside_writes_our_log", || {
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        testing::run("nothing from outside writes our log", async || {
            testing::expect_failure("ordered_by");
            let queue = Memory::queue("orders");
            let logged = EventBus::builder()
                .publisher("Shop")
                .retained_topics(1)
                .max_depth(2)
                .with(Logging::new())
                .with(middleware::RetryInPlace::fixed(ms(1)).attempts(2))
                .build();
            let names = |event: &JsonEvent| Err::<(), _>(format!("{}: {}", event.name(), event.payload()));
            let panics = |event: &JsonEvent| -> () { panic!("two lines\nof {}", event.name()) };
            let again =
                |event: &JsonEvent, bus: EventBus| bus.publish_json(event.topic(), event.payload().clone()).map(drop);
            let guards = [
                logged.on((|_: &OrderPlaced| Err::<(), _>("no")).named("typed")).unwrap(),
                logged.on_topic("**", names.named("names")).unwrap(),
                logged.on_topic("**", panics.named("panics")).unwrap(),
                logged.on_topic("**", again.named("again")).unwrap(),
                Route::new("**", Rude).timeout(ms(300)).open(&logged).unwrap(),
            ];
            let worker = Worker::new(queue.clone(), &logged).retry(Retry::exponential(ms(1)).attempts(2));
            let worker = worker.ordered_by(|_| panic!("two\nlines")).start().await.unwrap();
            put(&queue, packets()).await;
            let report = worker.drain().await.unwrap();
            assert!(report.dead >= 16, "{report}");
            for letter in queue.dead_letters().packets() {
                // Where there is no room for the record, the packet is whole.
                let errors = DeadLetterRecord::of(&letter).map(|record| record.errors).unwrap_or_default();
                errors.iter().for_each(|error| is_harmless(error));
            }
            // A topic has no control characters, and may have others.
            for topic in ["a/\u{202e}b", "a/\u{2066}c"] {
                logged.publish_retained(topic, json!(1)).unwrap();
                let _ = logged.emit_json(topic, json!(2)).unwrap().await;
            }
            logged.drain().await;
            logged.dead_letters().list().iter().for_each(|letter| is_harmless(&letter.to_string()));
            drop(guards);

            let bus = EventBus::default();
            let services = Services::new(&bus).add(Clerk::supervised(&bus, |_| Clerk)).await.unwrap();
            let report = bus.emit(OrderPlaced { id: 1 }).await;
            says_it_harmlessly(&report);
            services.statuses().iter().for_each(|status| is_harmless(&status.to_string()));
            is_harmless(&services.shutdown().await.to_string());
            rounds().await;
        });
        let lines = LINES.0.lock().unwrap();
        for of in [
            "convoke::worker memory:orders: Order",
            "convoke::worker memory:orders: packet Order",
            "nobody can know it",
            "`ordered_by` panicked: Order",
            r"`names` failed: Order\nWARN",
            r"`panics` panicked: two lines\nof Order\n",
            "is not that of",
            "deep",
            r"a/\u{202e}b",
            r"convoke::route rude: it says Order\n",
            "is done after",
            "in attempt 1 of 2",
            "degraded",
            "vetoed by two: Order",
            "consumer `Order",
            "emitter `Order",
        ] {
            assert!(lines.iter().any(|line| line.contains(of)), "nothing of `{of}`: {:#?}", short(&lines));
        }
        lines.iter().for_each(|line| is_harmless(line));
    });
}

fn short(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.chars().take(200).collect()).collect()
}

/// The error with all its sources.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

#[convoke::test]
async fn no_error_and_no_report_shows_what_controls() {
    let text = hostile;
    let listener: Arc<str> = "mail".into();
    let key = || RoundKey::from(hostile());
    let by = || EmitterRef { id: convoke::EmitterId::new(), name: hostile().into() };
    let round = testing_round().await;
    let bad = BadPayload { event: text(), topic: text(), reason: text() };
    let transport = || TransportError::new(ErrorKind::Refused, text(), text());
    let deep = TooDeep { limit: 64, chain: vec![text(), text()] };
    let all: Vec<Box<dyn fmt::Display>> = vec![
        Box::new(ListenerError::Failed(text())),
        Box::new(ListenerError::Permanent(text())),
        Box::new(ListenerError::Panicked(text())),
        Box::new(ListenerError::Unprovided(text())),
        Box::new(ListenerError::BadPayload(bad.to_string())),
        Box::new(ListenerError::from(bad.clone())),
        Box::new(bad),
        Box::new(deep.clone()),
        Box::new(convoke::Reason::TooDeep(deep.clone())),
        Box::new(convoke::PublishError::TooDeep(deep)),
        Box::new(transport()),
        Box::new(RouteError::Transport(transport())),
        Box::new(WorkerError::Transport(transport())),
        Box::new(Unauthorized { listener, event: text(), reason: text() }),
        Box::new(convoke::AskError::NoAnswerer { event: text(), answer: "u64" }),
        Box::new(key()),
        Box::new(BrokerId::from(hostile())),
        Box::new(by()),
        Box::new(Cause::Lost(by())),
        Box::new(Cause::Vetoed { by: by(), reason: hostile().into() }),
        Box::new(Cause::Aborted(hostile().into())),
        Box::new(EmitError::Late { round, key: Some(key()) }),
        Box::new(BrokerError::NoRound { key: Some(key()) }),
        Box::new(BrokerError::Taken { id: BrokerId::from(hostile()) }),
        Box::new(BrokerError::Unknown { id: BrokerId::from(hostile()), known: vec![BrokerId::from(hostile())] }),
        Box::new(JoinError::DuplicateId { id: convoke::EmitterId::new(), name: text() }),
        Box::new(JoinError::AlreadyJoined { broker: BrokerId::from(hostile()) }),
        Box::new(ConsumerError::Failed(text())),
        Box::new(ConsumerError::Panicked(text())),
        Box::new(FailedConsumer { consumer: hostile().into(), error: ConsumerError::Gone }),
        Box::new(ServiceError::Failed { service: "billing".into(), error: text() }),
        Box::new(StartError::NotBuilt(text())),
        Box::new(StartError::Failed(text())),
    ];
    all.iter().for_each(|what| says_it_harmlessly(&**what));
    says_it_harmlessly(&chain(&RouteError::Transport(transport())));

    // A topic may be as long as it was.
    for topic in [
        hostile(),
        FORGED.to_owned(),
        format!("{FORGED}//x"),
        format!(" {FORGED}"),
        "\u{202e} ".into(),
        "\u{2066}*".into(),
    ] {
        is_harmless(&topic.parse::<Pattern>().map(drop).unwrap_err().to_string());
        let bus = EventBus::default();
        is_harmless(&bus.emit_json(&topic, Value::Null).map(drop).unwrap_err().to_string());
        is_harmless(&bus.publish_json(&topic, Value::Null).unwrap_err().to_string());
    }
}

async fn testing_round() -> convoke::RoundId {
    let broker = Broker::new(SECOND).start();
    let one = Emitter::join(&broker, Emitter::new("one")).await.unwrap();
    one.emit(1).await.unwrap().round()
}

#[convoke::test]
async fn a_report_and_a_letter_of_a_foreign_event_are_one_line() {
    let deny = Authorize::new(|call: &Call| Err::<(), _>(format!("not {}", call.event_name())));
    let bus = EventBus::builder().with(deny).build();
    let _hears = bus.on_topic("**", (|_: &JsonEvent| ()).named("denied")).unwrap();
    let mut metadata = Metadata::new(hostile());
    metadata.topic = "orders/placed".into();
    let report = bus.emit_envelope(Envelope::new(metadata.clone(), json!(1))).unwrap().await;
    says_it_harmlessly(&report);
    report.iter().for_each(|result| says_it_harmlessly(&result));
    is_harmless(&format!("{report:?} {metadata:?}"));
    let letter = &bus.dead_letters().list()[0];
    says_it_harmlessly(letter);
    is_harmless(&format!("{letter:?}").replace("xxxx", ""));
    assert!(letter.event.len() > 50_000, "what is for programs is whole");
}

#[convoke::test]
async fn what_a_record_from_outside_says_is_one_line() {
    let mut packet = Packet::new(hostile(), "");
    packet.topic = hostile();
    packet.attributes.insert("name", 1_u64);
    let record = DeadLetterRecord::new(&hostile(), &packet, 3, DeadReason::Exhausted, vec![hostile(), hostile()]);
    is_harmless(&format!("{record:?}"));
    is_harmless(&format!("{packet:?}"));
    let letter = record.bury(packet, 10, usize::MAX);
    is_harmless(&format!("{:?}", DeadLetterRecord::of(&letter).unwrap()));
    let mut small = Packet::new("1", "");
    small
        .attributes
        .insert(DEAD_LETTER, json!({"reason": "broken", "attempts": 1, "source": FORGED, "time": 0}).to_string());
    is_harmless(&format!("{:?}", DeadLetterRecord::of(&small).unwrap()));
}

#[convoke::test]
async fn a_failure_of_several_lines_is_one_line_of_a_report() {
    let bus = EventBus::default();
    let _panics = bus.on((|order: &OrderPlaced| assert_eq!(order.id, 0, "as told")).named("panics")).unwrap();
    let _fails = bus.on((|_: &OrderPlaced| Err::<(), _>(Permanent::new("a\nb"))).named("fails")).unwrap();
    let report = bus.emit(OrderPlaced { id: 7 }).await;
    let text = r"OrderPlaced: 2 listeners, 2 failed: `panics` panicked: assertion `left == right` failed: as told\n  left: 7\n right: 0; `fails` failed for good: a\nb";
    assert_eq!(report.to_string(), text);
    let errors: Vec<_> = report.failed().map(|(_, error)| error.clone()).collect();
    assert_eq!(errors[1], ListenerError::Permanent("a\nb".into()), "what is for programs is as it was");
}
