use std::time::{Duration, UNIX_EPOCH};

use convoke::codec::{self, Binding, CloudEvents, Codec, CodecError};
use convoke::transport::{Attribute, Packet};
use convoke::{EnvelopeLimits, Metadata};
use serde_json::{Number, json};

use crate::codec::whole;

/// The attributes of an event behind this prefix.
fn packet(prefix: &str, attributes: &[(&str, Attribute)]) -> Packet {
    let mut packet = Packet::new("7", "1");
    packet.attributes.insert(format!("{prefix}specversion"), "1.0");
    for (name, value) in attributes {
        packet.attributes.insert(format!("{prefix}{name}"), value.clone());
    }
    packet
}

fn read(packet: &Packet) -> Result<Metadata, CodecError> {
    codec::read(packet, EnvelopeLimits::default()).map(|event| event.metadata)
}

fn subject(packet: &Packet) -> String {
    read(packet).unwrap().entity_id.unwrap().to_string()
}

#[test]
fn what_is_written_for_rabbitmq_has_no_escapes_and_is_read_as_it_was() {
    let mut event = whole();
    event.metadata.entity_id = Some("100%25 wool, \"x\" \\ é".into());
    for topic in ["users/registered", ""] {
        event.metadata.topic = topic.into();
        let packet = CloudEvents::binary_as(Binding::RabbitMq).write(&event);
        assert_eq!(packet.attributes.text("ce-subject"), Some("100%25 wool, \"x\" \\ é"));
        assert_eq!(packet.attributes.text("ce-authorization"), Some("Bearer é\"100%\""));
        assert_eq!(packet.attributes.text("content-type"), Some("application/json"));
        assert_eq!(codec::read(&packet, EnvelopeLimits::default()), Ok(event.clone()));
    }
    // Whoever passes headers on may change their case.
    let mut packet = CloudEvents::binary_as(Binding::RabbitMq).write(&event);
    packet.attributes = packet.attributes.iter().map(|(name, value)| (name.to_uppercase(), value.clone())).collect();
    assert_eq!(codec::read(&packet, EnvelopeLimits::default()), Ok(event));
}

#[test]
fn a_percent_sign_of_a_stranger_over_rabbitmq_is_one() {
    let wool = || packet("ce-", &[("subject", "100%25 wool".into())]);
    assert_eq!(subject(&wool()), "100% wool", "as for HTTP");
    // This is what the transport says of it.
    let mut over_rabbitmq = wool();
    over_rabbitmq.attributes.insert("convoke-binding", "rabbitmq");
    assert_eq!(subject(&over_rabbitmq), "100%25 wool");
    // What it does not know says nothing, and other prefixes leave nothing open.
    let mut unknown = wool();
    unknown.attributes.insert("convoke-binding", "http");
    assert_eq!(subject(&unknown), "100% wool");
    for prefix in ["ce_", "cloudEvents:", "cloudEvents_"] {
        assert_eq!(subject(&packet(prefix, &[("subject", "100%25 wool".into())])), "100%25 wool");
    }
}

#[test]
fn a_text_in_quotes_is_unescaped_before_its_percent_signs_are_read() {
    for (header, text) in [
        (r#""Euro \"x\" \\ y""#, r#"Euro "x" \ y"#),
        (r#""Euro%20%22x%22""#, r#"Euro "x""#),
        (r#""a\%20b""#, "a b"),
        (r#"a \"b\""#, r#"a \"b\""#),
        (r#""a" and "b""#, r#""a" and "b""#),
    ] {
        assert_eq!(subject(&packet("ce-", &[("subject", header.into())])), text, "{header}");
        // Elsewhere quotes are quotes.
        assert_eq!(subject(&packet("ce_", &[("subject", header.into())])), header);
    }
}

#[test]
fn a_time_may_be_a_timestamp_in_seconds_or_in_milliseconds() {
    let time = |number: Number| read(&packet("cloudEvents:", &[("time", Attribute::Number(number))]));
    let from = |micros| UNIX_EPOCH + Duration::from_micros(micros);
    for (number, micros) in [
        (Number::from(1_767_323_045_u64), 1_767_323_045_000_000),
        (1_767_323_045_678_u64.into(), 1_767_323_045_678_000),
        (0.into(), 0),
        (99_999_999_999_u64.into(), 99_999_999_999_000_000),
        (100_000_000_000_u64.into(), 100_000_000_000_000),
        (Number::from_f64(1_767_323_045.5).unwrap(), 1_767_323_045_500_000),
    ] {
        assert_eq!(time(number.clone()).unwrap().time, from(micros), "{number}");
    }
    assert_eq!(time((-1).into()).unwrap().time, UNIX_EPOCH - Duration::from_secs(1));
    for none in [Number::from(u64::MAX), i64::MIN.into(), Number::from_f64(1e300).unwrap()] {
        assert!(matches!(time(none), Err(CodecError::WrongAttribute { name: "time", .. })));
    }
    let text = read(&packet("cloudEvents:", &[("time", "2026-01-02T03:04:05Z".into())]));
    assert_eq!(text.unwrap().time, whole().metadata.time);
    assert!(read(&packet("cloudEvents:", &[("time", Attribute::List(vec![json!(1)]))])).is_err());
}

#[test]
fn an_id_and_a_subject_may_be_the_numbers_that_they_are() {
    let numbers = [("id", Attribute::from(17_u64)), ("subject", 17_u64.into()), ("source", "/a".into())];
    let texts = [("id", Attribute::from("17")), ("subject", "17".into()), ("source", "/a".into())];
    let (numbers, texts) = (read(&packet("ce-", &numbers)).unwrap(), read(&packet("ce-", &texts)).unwrap());
    assert_eq!((numbers.id, numbers.entity_id), (texts.id, texts.entity_id));
}
