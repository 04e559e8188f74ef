use std::fmt;
use std::sync::Mutex;

use convoke::codec::{self, CloudEvents, Codec, CodecError, Wire};
use convoke::prelude::*;
use convoke::transport::{
    Attribute, Attributes, BoxFuture, DEAD_LETTER, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Memory, Packet,
    Publisher, Receipt, Settlement, TransportError,
};
use convoke::{Envelope, EnvelopeError, EnvelopeLimits, Permanent, Retry, Route, Worker, testing};
use proptest::prelude::*;
use proptest::sample::Index;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codec::{any_event, any_json, codecs, whole};
use crate::common::{in_a_process_of_its_own, ms, sleep};

const STRUCTURED: &str = "application/cloudevents+json";

/// What must be seen nowhere.
const CANARY: &str = "hunter2";

fn packet(attributes: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Packet {
    let mut packet = Packet::new("", body);
    packet.attributes = attributes.iter().copied().collect();
    packet
}

/// Whatever was read is written by every codec, and read again as the same.
fn stays_the_same(event: &Envelope) {
    let roomy = EnvelopeLimits::default().bytes(usize::MAX).depth(127);
    for codec in codecs() {
        assert_eq!(codec::read(&codec.write(event), roomy).as_ref(), Ok(event));
    }
}

fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\":,\\0123456789-+.eE tfn"[..])]
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any_byte(), 0..200),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        proptest::collection::btree_map(prop::sample::select(KEYS), any_json(), 0..9)
            .prop_map(|keys| json!(keys).to_string().into_bytes()),
    ]
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    let text = prop_oneof![
        any::<String>(),
        "[%0-9a-fA-F\"\\\\ é]{0,12}",
        prop::sample::select(&["1.0", "application/cloudevents+json", "application/json", "text/plain", "false"][..])
            .prop_map(str::to_owned),
    ];
    prop_oneof![
        4 => text.prop_map(Attribute::from),
        1 => any::<i64>().prop_map(Attribute::from),
        1 => proptest::collection::vec(any_json(), 0..3).prop_map(Attribute::List),
    ]
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let name = prop_oneof![prop::sample::select(NAMES).prop_map(str::to_owned), any::<String>()];
    proptest::collection::vec((name, any_attribute()), 0..12).prop_map(Attributes::from_iter)
}

/// A change at a place of a body: a byte overwritten, inserted or cut out, or all that follows cut off.
fn mutate(body: &mut Vec<u8>, (kind, place, byte): (u8, Index, u8)) {
    let place = place.index(body.len() + 1);
    match kind {
        0 if place < body.len() => body[place] = byte,
        1 if place < body.len() => drop(body.remove(place)),
        2 => body.truncate(place),
        _ => body.insert(place, byte),
    }
}

fn any_changes() -> impl Strategy<Value = Vec<(u8, Index, u8)>> {
    proptest::collection::vec((0..4_u8, any::<Index>(), any_byte()), 1..4)
}

fn any_packet() -> impl Strategy<Value = Packet> {
    (any_bytes(), any_attributes(), any::<String>(), proptest::option::of(any::<String>()), any::<u8>()).prop_map(
        |(body, attributes, topic, key, priority)| {
            let mut packet = Packet::new("7", body);
            (packet.attributes, packet.topic, packet.key, packet.priority) = (attributes, topic, key, priority);
            packet
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_packet_is_too_odd_to_be_looked_at(packet in any_packet()) {
        if let Ok(event) = codec::read(&packet, EnvelopeLimits::default()) {
            stays_the_same(&event);
        }
    }

    #[test]
    fn whatever_happens_to_a_body_what_is_read_of_it_stays_the_same(
        event in any_event(), which in 0..5_usize, changes in any_changes(),
    ) {
        let mut packet = codecs()[which].write(&event);
        changes.into_iter().for_each(|change| mutate(&mut packet.body, change));
        if let Ok(event) = codec::read(&packet, EnvelopeLimits::default()) {
            stays_the_same(&event);
        }
    }

    #[test]
    fn whatever_happens_to_an_attribute_what_is_read_stays_the_same(
        event in any_event(), which in 0..5_usize, place in any::<Index>(), value in proptest::option::of(any_attribute()),
    ) {
        let mut packet = codecs()[which].write(&event);
        let names: Vec<_> = packet.attributes.iter().map(|(name, _)| name.to_owned()).collect();
        if let Some(name) = names.get(place.index(names.len().max(1))) {
            match value {
                None => drop(packet.attributes.remove(name)),
                Some(value) => drop(packet.attributes.insert(name, value)),
            }
        }
        if let Ok(event) = codec::read(&packet, EnvelopeLimits::default()) {
            stays_the_same(&event);
        }
    }

    #[test]
    fn an_attribute_is_what_it_is_read_as(kind in "String|Number|String\\.Array|Binary|.{0,9}", text in any_bytes()) {
        let text = String::from_utf8_lossy(&text);
        let read = Attribute::read(&kind, &text);
        prop_assert_eq!(&Attribute::read(read.kind(), &read.text()), &read);
        if kind == "String" {
            prop_assert_eq!(read, Attribute::from(&*text));
        }
    }

    #[test]
    fn a_dead_letter_is_revived_as_what_it_was(
        packet in any_packet(), errors in proptest::collection::vec(any::<String>(), 0..20),
        max_attributes in 1..14_usize, max_bytes in 0..4_000_usize,
    ) {
        let record = DeadLetterRecord::new("sqs:orders", &packet, 3, DeadReason::Exhausted, errors);
        let letter = record.bury(packet.clone(), max_attributes, max_bytes);
        prop_assert_eq!(&letter.body, &packet.body);
        if letter.attributes.get(DEAD_LETTER).is_some() {
            prop_assert!(letter.attributes.len() <= max_attributes && letter.bytes() <= max_bytes);
        }
        prop_assert_eq!(DeadLetterRecord::revive(letter), packet);
    }

    #[test]
    fn no_record_of_a_dead_letter_is_too_odd_to_be_looked_at(
        packet in any_packet(), json in any_json(), keys in proptest::collection::btree_map(
            prop::sample::select(RECORD_KEYS), any_json(), 0..10,
        ), changes in any_changes(), which in 0..3_u8,
    ) {
        let record = match which {
            0 => json.to_string(),
            1 => json!(keys).to_string(),
            _ => {
                let record = DeadLetterRecord::new("sqs:orders", &packet, 3, DeadReason::Broken, vec!["why".into()]);
                let mut text = serde_json::to_vec(&record).unwrap();
                changes.into_iter().for_each(|change| mutate(&mut text, change));
                String::from_utf8_lossy(&text).into_owned()
            }
        };
        let mut letter = packet.clone();
        letter.attributes.insert(DEAD_LETTER, record);
        let known = DeadLetterRecord::of(&letter).is_some();
        let revived = DeadLetterRecord::revive(letter.clone());
        prop_assert_eq!(&revived.body, &letter.body);
        prop_assert_eq!(revived.attributes.get(DEAD_LETTER).is_none(), known);
    }
}

const KEYS: &[&str] = &[
    "metadata",
    "payload",
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "data",
    "data_base64",
    "traceparent",
    "eventversion",
    "containspersonaldata",
    "eventunnamed",
];

const NAMES: &[&str] = &[
    "content-type",
    "Content_Type",
    "ce-specversion",
    "ce_specversion",
    "cloudEvents:specversion",
    "cloudEvents_specversion",
    "ce-type",
    "CE-TYPE",
    "ce-id",
    "ce-source",
    "ce-time",
    "ce-subject",
    "ce-datacontenttype",
    "ce-traceparent",
    "ce-eventversion",
    "ce-containspersonaldata",
    "ce_type",
    "ce-",
    "eventName",
];

const RECORD_KEYS: &[&str] =
    &["reason", "errors", "attempts", "source", "time", "key", "topic", "priority", "attributes", "other"];

// Limits.

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn read_within(packet: &Packet, limits: EnvelopeLimits) -> Result<(), CodecError> {
    codec::read(packet, limits).map(drop)
}

#[test]
fn a_packet_may_have_as_many_bytes_as_it_may_and_not_one_more() {
    for codec in codecs() {
        let packet = codec.write(&whole());
        let (bytes, limits) = (packet.bytes(), EnvelopeLimits::default());
        assert!(bytes > packet.body.len());
        assert_eq!(read_within(&packet, limits.bytes(bytes + 1)), Ok(()));
        assert_eq!(read_within(&packet, limits.bytes(bytes)), Ok(()));
        let error = CodecError::TooLarge { bytes, limit: bytes - 1 };
        assert_eq!(read_within(&packet, limits.bytes(bytes - 1)), Err(error));
    }
    // By default a mebibyte.
    let mut packet = Wire.write(&whole());
    for (bytes, fits) in [(1_048_576, true), (1_048_577, false)] {
        let filled = bytes - packet.bytes() + packet.body.len();
        packet.body.resize(filled, b' ');
        assert_eq!(read_within(&packet, EnvelopeLimits::default()).is_ok(), fits);
    }
}

#[test]
fn there_may_be_as_many_attributes_as_there_may_and_not_one_more() {
    for codec in codecs() {
        let mut packet = codec.write(&whole());
        for key in packet.attributes.len()..64 {
            packet.attributes.insert(format!("k{key}"), "v");
        }
        assert_eq!(read_within(&packet, EnvelopeLimits::default()), Ok(()));
        packet.attributes.insert("one", "more");
        let error = Err(CodecError::TooManyAttributes { limit: 64 });
        assert_eq!(read_within(&packet, EnvelopeLimits::default()), error);
        assert_eq!(read_within(&packet, EnvelopeLimits::default().keys(65)), Ok(()));
    }
}

#[test]
fn an_event_may_have_as_many_keys_as_it_may_and_not_one_more() {
    let event = |keys: usize| {
        let keys: String = (1..keys).map(|key| format!(r#","k{key}":{{"a":1,"b":[2]}}"#)).collect();
        let body = format!(r#"{{"specversion":"1.0"{keys}}}"#);
        [packet(&[("content-type", STRUCTURED)], &*body), packet(&[], body)]
    };
    let error = CodecError::TooManyAttributes { limit: 64 };
    for (keys, read) in [(63, Ok(())), (64, Ok(())), (65, Err(error.clone())), (20_000, Err(error))] {
        for packet in event(keys) {
            assert_eq!(read_within(&packet, EnvelopeLimits::default()), read, "{keys}");
        }
    }
    // The last of many is not even looked at.
    let cut = format!("{{{}", r#""k":1,"#.repeat(65));
    let error = CodecError::TooManyAttributes { limit: 64 };
    let cut = packet(&[("content-type", STRUCTURED)], cut);
    assert_eq!(read_within(&cut, EnvelopeLimits::default()), Err(error));
}

#[test]
fn an_event_may_be_as_deep_as_it_may_and_not_one_deeper() {
    let too_deep = || Err(CodecError::Envelope(EnvelopeError::TooDeep { limit: 64 }));
    let limits = EnvelopeLimits::default();
    let structured = |depth| {
        let body = format!(r#"{{"specversion":"1.0","data":{}}}"#, nested(depth));
        packet(&[("content-type", STRUCTURED)], body)
    };
    // The event is the first.
    assert_eq!(read_within(&structured(62), limits), Ok(()));
    assert_eq!(read_within(&structured(63), limits), Ok(()));
    assert_eq!(read_within(&structured(64), limits), too_deep());
    let binary = |depth| packet(&[("ce-specversion", "1.0")], nested(depth));
    assert_eq!(read_within(&binary(63), limits), Ok(()));
    assert_eq!(read_within(&binary(64), limits), Ok(()));
    assert_eq!(read_within(&binary(65), limits), too_deep());
    let wire = |depth| packet(&[], format!(r#"{{"metadata":{{}},"payload":{}}}"#, nested(depth)));
    assert_eq!(read_within(&wire(63), limits), Ok(()));
    assert_eq!(read_within(&wire(64), limits), too_deep());
    // What stands in Base64 is looked at before it is parsed too.
    for (depth, read) in [(63, Ok(())), (64, Ok(())), (65, too_deep())] {
        let mut event = json!({"specversion": "1.0"});
        event["data_base64"] = Value::from(base64(nested(depth).as_bytes()));
        assert_eq!(read_within(&packet(&[("content-type", STRUCTURED)], event.to_string()), limits), read);
    }
    // No depth is too much for the thread.
    for attributes in [&[][..], &[("content-type", STRUCTURED)], &[("ce-specversion", "1.0")]] {
        let packet = packet(attributes, "[{\"a\":".repeat(150_000));
        assert_eq!(read_within(&packet, limits), too_deep());
    }
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | group.get(at).map_or(0, |byte| usize::from(*byte)));
        let digit = move |at| if at > group.len() { '=' } else { char::from(digits[bits >> (18 - 6 * at) & 63]) };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn a_record_of_a_dead_letter_has_no_more_in_it_than_it_may() {
    let errors = vec!["é".repeat(600); 20];
    let packet = Packet::new("7", "{}");
    let record = DeadLetterRecord::new("sqs:orders", &packet, 3, DeadReason::Permanent, errors);
    assert_eq!(record.errors.len(), 16);
    assert!(record.errors.iter().all(|error| error.len() <= 1_024 + '…'.len_utf8() && error.ends_with('…')));
    // Nor has one that somebody else has written.
    let mut written = serde_json::to_value(&record).unwrap();
    written["errors"] = json!(vec!["é".repeat(600); 20]);
    let mut letter = packet.clone();
    letter.attributes.insert(DEAD_LETTER, written.to_string());
    assert_eq!(DeadLetterRecord::of(&letter), Some(record.clone()));
    for (bytes, read) in [(1_048_576, true), (1_048_577, false)] {
        let mut text = serde_json::to_string(&record).unwrap();
        text.extend(std::iter::repeat_n(' ', bytes - text.len()));
        letter.attributes.insert(DEAD_LETTER, text);
        assert_eq!(DeadLetterRecord::of(&letter).is_some(), read);
    }
    // It brings back what had no room, and replaces nothing.
    let mut written = serde_json::to_value(&record).unwrap();
    written["attributes"] = json!([
        [DEAD_LETTER, "String", "{}"],
        ["eventName", "String", "Wrong"],
        ["tenant", "String", "a"],
        ["weight", "Number", "7"],
    ]);
    letter.attributes.insert(DEAD_LETTER, written.to_string());
    letter.attributes.insert("eventName", "Right");
    let revived = DeadLetterRecord::revive(letter).attributes;
    let mut expected: Attributes = [("eventName", "Right"), ("tenant", "a")].into_iter().collect();
    expected.insert("weight", 7_u64);
    assert_eq!(revived, expected);
}

// Secrets.

#[track_caller]
fn hides(what: &(impl fmt::Debug + ?Sized)) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        assert!(!text.contains(CANARY) && !text.contains(&base64(CANARY.as_bytes())), "{text}");
    }
}

/// An event of which everything is secret that may be.
fn secret() -> Envelope {
    let mut event = whole();
    event.metadata.contains_personal_data = true;
    event.metadata.authorization = format!("Bearer {CANARY}").into();
    event.payload = json!({ "mail": CANARY, CANARY: [CANARY] });
    event
}

struct Keeps;

impl Receipt for Keeps {
    fn settle(self: Box<Self>, _: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }
}

#[test]
fn a_packet_and_its_delivery_show_neither_payload_nor_authorization() {
    for codec in codecs() {
        let mut packet = codec.write(&secret());
        packet.attributes.insert("mail", CANARY);
        packet.attributes.insert("mails", [CANARY]);
        hides(&packet);
        hides(&packet.attributes);
        hides(&codec::read(&packet, EnvelopeLimits::default()).unwrap());
        let record = DeadLetterRecord::new("sqs:orders", &packet, 1, DeadReason::Broken, Vec::new());
        hides(&record);
        let letter = record.bury(packet.clone(), 3, 100_000);
        hides(&letter);
        hides(&DeadLetterRecord::of(&letter).unwrap());
        let delivery = Delivery::new("sqs:orders", letter, 1, Keeps);
        hides(&delivery);
        hides(&delivery.record(DeadReason::Rejected, Vec::new()));
        hides(&Settlement::DeadLetter(delivery.record(DeadReason::Rejected, Vec::new())));
    }
}

#[test]
fn no_error_quotes_what_was_read() {
    let mut packets = Vec::new();
    for content_type in [None, Some(STRUCTURED), Some("application/json"), Some("application/cloudevents+hunter2")] {
        for body in [
            CANARY.to_owned(),
            format!("\"{CANARY}\""),
            format!("{{\"{CANARY}\": {CANARY}}}"),
            format!("{{\"metadata\": \"{CANARY}\"}}"),
            format!("{{\"metadata\": {{\"eventName\": [\"{CANARY}\"]}}}}"),
            format!("{{\"specversion\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": [\"{CANARY}\"]}}"),
            format!("{{\"specversion\": \"1.0\", \"type\": [\"{CANARY}\"]}}"),
            format!("{{\"specversion\": \"1.0\", \"time\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": \"1.0\", \"data_base64\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": \"1.0\", \"data_base64\": [\"{CANARY}\"]}}"),
            format!("{{\"specversion\": \"1.0\", \"data\": \"{CANARY}\", \"data_base64\": \"{CANARY}\"}}"),
            format!("{{\"specversion\": \"1.0\", \"datacontenttype\": [\"{CANARY}\"], \"data_base64\": \"MQ==\"}}"),
            format!("{{\"specversion\": \"1.0\", \"data\": \"{CANARY}"),
            format!("{{\"specversion\": \"1.0\"}} {CANARY}"),
            format!("[\"{CANARY}\", {}]", nested(70)),
            format!("{{\"specversion\": \"1.0\", {}", format!("\"{CANARY}\": 1, ").repeat(70)),
        ] {
            packets.push(packet(&content_type.map(|kind| [("content-type", kind)]).unwrap_or([("a", "b")]), body));
        }
    }
    for attributes in [
        [("ce-specversion", CANARY), ("a", "b")],
        [("ce-specversion", "1.0"), ("ce-time", CANARY)],
        [("ce-specversion", "1.0"), ("content-type", "application/json")],
    ] {
        packets.push(packet(&attributes, CANARY));
    }
    let mut listed = packet(&[("ce-specversion", "1.0")], "1");
    listed.attributes.insert("ce-type", [CANARY]);
    packets.push(listed);
    let mut refused = 0;
    for packet in &packets {
        if let Err(error) = codec::read(packet, EnvelopeLimits::default()) {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            hides(&(error.to_string(), source, &error));
            refused += 1;
        }
    }
    // Of those that are read, the data are said to be text.
    assert!(refused >= packets.len() - 4, "{refused} of {}", packets.len());
    // Neither does what a transport says of a packet beyond its limits.
    let packet = CloudEvents::binary().write(&secret());
    let abilities = convoke::transport::Abilities::default();
    for (bytes, attributes) in [(10, usize::MAX), (usize::MAX, 3)] {
        let mut abilities = abilities;
        (abilities.max_bytes, abilities.max_attributes) = (bytes, attributes);
        let error = abilities.check("sqs:orders", &packet).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        hides(&(error.to_string(), &error));
    }
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

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered", entity_id = id, contains_personal_data)]
struct UserRegistered {
    id: u64,
    mail: String,
}

/// Personal events leave by a route in every form, fail in every way at a worker, and die.
#[test]
fn the_log_of_routes_and_workers_hides_it() {
    in_a_process_of_its_own("bytes::the_log_of_routes_and_workers_hides_it", || {
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        for codec in [CloudEvents::structured(), CloudEvents::binary()].map(Some).into_iter().chain([None]) {
            testing::run("the log hides it", async || {
                testing::allow_failures();
                let queue = Memory::queue("users");
                let here = EventBus::builder().publisher("Users").build().with_authorization(CANARY);
                let there = EventBus::builder().publisher("Mails").build();
                let route = Route::new("Users/*", queue.clone()).retry(Retry::exponential(ms(1)).attempts(2));
                let route = route.attribute("mail", |_: &Envelope| Some(CANARY));
                let _out = match codec {
                    Some(codec) => route.codec(codec).open(&here).unwrap(),
                    None => route.open(&here).unwrap(),
                };
                let _hears = [
                    there.on((|user: &UserRegistered| if user.id == 1 { Err("no") } else { Ok(()) }).named("fails")),
                    there.on((|user: &UserRegistered| assert!(user.id != 2, "oh")).named("panics")),
                    there.on(async |user: std::sync::Arc<UserRegistered>| match user.id {
                        3 => Err(Permanent::new("never")),
                        4 => {
                            sleep(ms(100)).await;
                            Ok(())
                        }
                        _ => Ok(()),
                    }),
                ]
                .map(Result::unwrap);

                let retry = Retry::exponential(ms(1)).attempts(2);
                let worker = Worker::new(queue.clone(), &there).retry(retry).timeout(ms(10));
                let worker = worker.start().await.unwrap();
                let user = |id| UserRegistered { id, mail: CANARY.to_owned() };
                for id in 0..5 {
                    here.emit(user(id)).await.ok().unwrap();
                }
                queue.set_reachable(false);
                assert!(!here.emit(user(5)).await.is_ok());
                queue.set_reachable(true);
                // What does not fit, is unknown, or is broken.
                let mut odd = secret();
                odd.metadata.event = "UserRegistered".into();
                let mut unknown = secret();
                unknown.metadata.topic = "users/unknown".into();
                let mut packets = vec![Wire.write(&odd), Wire.write(&unknown), Packet::new("7", CANARY)];
                packets.push(packet(&[("content-type", STRUCTURED), ("mail", CANARY)], format!("[\"{CANARY}\"]")));
                packets.push(packet(&[("ce-specversion", "1.0"), ("ce-time", CANARY)], CANARY));
                for taken in queue.publish(&packets).await {
                    taken.unwrap();
                }
                while queue.waiting() + queue.lent() > 0 {
                    sleep(ms(10)).await;
                }
                let report = worker.drain().await.unwrap();
                hides(&report);
                assert_eq!((report.done, report.dead), (1, 9), "{report:?}");
                let letters = queue.dead_letters().packets();
                assert_eq!(letters.len(), 9);
                for letter in &letters {
                    hides(letter);
                    hides(&DeadLetterRecord::of(letter).unwrap());
                }
                hides(&queue);
            });
        }
        let lines = LINES.0.lock().unwrap();
        let expected = [
            "`fails` failed: no",
            "panicked: oh",
            "never",
            "were not done",
            "no attempt is left",
            "it failed for good",
            "nobody knows the event",
            "it is no event",
            "is no JSON from line 1, column 1 on",
            "tried again",
        ];
        for expected in expected {
            assert!(lines.iter().any(|line| line.contains(expected)), "nothing of `{expected}`: {lines:#?}");
        }
        for line in &*lines {
            assert!(!line.contains(CANARY), "{line}");
        }
    });
}
