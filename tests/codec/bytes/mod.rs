//! Any bytes at any decoder; every limit at, below and above it; what is secret is in nothing that is shown.

/// Every limit at, below and above it.
mod limits;
/// What is secret is in nothing that is shown.
mod secrets;

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

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | group.get(at).map_or(0, |byte| usize::from(*byte)));
        let digit = move |at| if at > group.len() { '=' } else { char::from(digits[bits >> (18 - 6 * at) & 63]) };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}
