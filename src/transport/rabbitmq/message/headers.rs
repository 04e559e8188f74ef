//! A packet as RabbitMQ carries it: properties with a table of headers, and back.
//!
//! `Packet → message_id, priority, headers → a delivery, ours or a stranger's → Packet and its attempt`

use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::Value;

use super::attempt::{ACQUIRED, COUNT};
use super::values::{OVERHEAD, attribute, attributes_from_json, attributes_to_json, count, header_value, text_of};
use crate::transport::{Attributes, BINDING, ErrorKind, Packet, TransportError};

/// The topic, which the routing key has in another form.
const TOPIC: &str = "convoke-topic";
const KEY: &str = "convoke-key";
/// Which attempt this is, where it is not the first: counted by who published it once more.
pub(crate) const ATTEMPT: &str = "convoke-attempt";
/// An id that is too long for the property.
const ID: &str = "convoke-id";
/// The attributes that a header cannot carry to the letter, as JSON.
const ATTRIBUTES: &str = "convoke-attributes";

/// What means something to the server: what it writes down of a message itself, which published again would count against
/// the new one, and what it obeys. `CC` and `BCC` have it put a message into further queues, which have their copy already;
/// `x-delay` has a plug-in hold it back once more; and by `x-received-from` a federation knows where it has been.
const BY_THE_SERVER: [&str; 13] = [
    COUNT,
    ACQUIRED,
    "CC",
    "BCC",
    "x-delay",
    "x-received-from",
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];
const OURS: [&str; 5] = [TOPIC, KEY, ATTEMPT, ID, ATTRIBUTES];

/// What [`BINDING`] says beside the attributes of a CloudEvent: those that we wrote as for HTTP, and those of a stranger, for
/// whom RabbitMQ has a binding of its own, with the same names and without escapes.
const HTTP: &str = "http";
const RABBITMQ: &str = "rabbitmq";

/// Properties and headers go in one frame, and a frame has 128 KiB unless the server says otherwise: one that is larger
/// would cost the connection.
pub(crate) const MAX_HEADER_BYTES: usize = 120 * 1024;

/// Kept on disk.
const PERSISTENT: u8 = 2;

/// Makes the properties of a packet. `priority` says whether the queue has priorities.
///
/// # Errors
///
/// `TooLarge` if they do not fit into a frame.
pub(crate) fn write(at: &Arc<str>, packet: &Packet, priority: bool) -> Result<BasicProperties, TransportError> {
    let mut headers = FieldTable::default();
    let mut others = Attributes::default();
    let mut bytes = packet.id.len();
    for (name, attribute) in packet.attributes.iter() {
        match (header_name(name), header_value(attribute)) {
            (Some(header), Some((value, size))) => {
                bytes += name.len() + size;
                headers.insert(header, value);
            }
            _ => {
                others.insert(name, attribute.clone());
            }
        }
    }
    let mut text = |name: &'static str, value: String| {
        bytes += name.len() + value.len() + OVERHEAD;
        headers.insert(short(name), AMQPValue::LongString(value.into()));
    };
    if !others.is_empty() {
        text(ATTRIBUTES, attributes_to_json(&others).to_string());
    }
    if is_cloud_event(&packet.attributes) && packet.attributes.get(BINDING).is_none() {
        text(BINDING, HTTP.to_owned());
    }
    if !packet.topic.is_empty() {
        text(TOPIC, packet.topic.clone());
    }
    if let Some(key) = &packet.key {
        text(KEY, key.clone());
    }
    let content_type = packet.attributes.text(CONTENT_TYPE).and_then(|text| ShortString::try_new(text).ok());
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(content_type.unwrap_or_else(|| short(JSON)));
    match ShortString::try_new(packet.id.as_str()) {
        Ok(id) if packet.id.is_empty() => drop(id),
        Ok(id) => properties = properties.with_message_id(id),
        Err(_) => text(ID, packet.id.clone()),
    }
    if priority {
        properties = properties.with_priority(packet.priority);
    }
    if bytes > MAX_HEADER_BYTES {
        let text = format!(
            "a packet has {bytes} bytes of attributes, and {MAX_HEADER_BYTES} are allowed: put what is large into the body"
        );
        return Err(TransportError::new(ErrorKind::TooLarge, at.clone(), text));
    }
    Ok(properties.with_headers(headers))
}

/// What a body is, unless an attribute of this name says otherwise.
const JSON: &str = "application/json";
const CONTENT_TYPE: &str = "content-type";

/// Reads a packet and which attempt it is from what was delivered; what cannot be an attribute is left out.
pub(crate) fn read(properties: &BasicProperties, body: Vec<u8>) -> (Packet, u32) {
    let mut packet = Packet::new(properties.message_id().as_ref().map_or("", ShortString::as_str), body);
    packet.priority = properties.priority().unwrap_or_default();
    let mut attempt = 1;
    let mut others = Attributes::default();
    for (name, value) in properties.headers().iter().flatten() {
        match name.as_str() {
            TOPIC => packet.topic = text_of(value).unwrap_or_default(),
            KEY => packet.key = text_of(value),
            ID => packet.id = text_of(value).unwrap_or_default(),
            ATTEMPT => attempt = count(value).max(1),
            ATTRIBUTES => {
                let json = text_of(value).and_then(|text| serde_json::from_str(&text).ok());
                others = attributes_from_json(json.unwrap_or(Value::Null));
            }
            name if BY_THE_SERVER.contains(&name) => {}
            name => {
                if let Some(attribute) = attribute(value) {
                    packet.attributes.insert_read(name, attribute);
                }
            }
        }
    }
    packet.attributes.extend(others);
    // What stands in the packet says nothing more than what it was made with.
    if packet.attributes.text(BINDING) == Some(HTTP) {
        packet.attributes.remove(BINDING);
    } else if packet.topic.is_empty() && is_cloud_event(&packet.attributes) && packet.attributes.get(BINDING).is_none()
    {
        packet.attributes.insert(BINDING, RABBITMQ);
    }
    // A stranger says it in the property alone.
    if let Some(kind) = properties.content_type()
        && kind.as_str() != JSON
        && packet.attributes.get(CONTENT_TYPE).is_none()
    {
        packet.attributes.insert(CONTENT_TYPE, kind.as_str());
    }
    (packet, attempt)
}

/// Makes the properties of the same message for another attempt: without what the server wrote down, without what
/// would have it expire, and without who published it, which a server compares with who does.
pub(crate) fn again(properties: &BasicProperties, attempt: u32) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flatten() {
        if !BY_THE_SERVER.contains(&name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers.insert(short(ATTEMPT), AMQPValue::LongLongInt(attempt.into()));
    let mut again = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
    if let Some(id) = properties.message_id() {
        again = again.with_message_id(id.clone());
    }
    if let Some(kind) = properties.content_type() {
        again = again.with_content_type(kind.clone());
    }
    if let Some(encoding) = properties.content_encoding() {
        again = again.with_content_encoding(encoding.clone());
    }
    if let Some(priority) = properties.priority() {
        again = again.with_priority(*priority);
    }
    if let Some(id) = properties.correlation_id() {
        again = again.with_correlation_id(id.clone());
    }
    if let Some(to) = properties.reply_to() {
        again = again.with_reply_to(to.clone());
    }
    if let Some(time) = properties.timestamp() {
        again = again.with_timestamp(*time);
    }
    if let Some(kind) = properties.kind() {
        again = again.with_type(kind.clone());
    }
    if let Some(id) = properties.app_id() {
        again = again.with_app_id(id.clone());
    }
    again
}

/// Names of ours are short enough.
fn short(name: &'static str) -> ShortString {
    ShortString::try_new(name).unwrap_or_default()
}

/// Whether there are attributes of one whose names leave open how their texts are to be read.
fn is_cloud_event(attributes: &Attributes) -> bool {
    attributes.iter().any(|(name, _)| name.eq_ignore_ascii_case("ce-specversion"))
}

fn header_name(name: &str) -> Option<ShortString> {
    let free = !name.is_empty() && !BY_THE_SERVER.contains(&name) && !OURS.contains(&name);
    free.then(|| ShortString::try_new(name).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;
    use serde_json::{Number, json};

    use super::*;
    use crate::transport::Attribute;

    fn round_trip(packet: &Packet) -> (Packet, u32) {
        read(&write(&"rabbitmq:test".into(), packet, true).unwrap(), packet.body.clone())
    }

    #[test]
    fn what_is_written_is_read_to_the_letter() {
        let mut packet = Packet::new("an id", "{\"a\":1}");
        packet.topic = "orders/placed.late".to_owned();
        packet.key = Some(String::new());
        packet.priority = 7;
        let long = "n".repeat(300);
        let attributes: Vec<(&str, Attribute)> = vec![
            ("text", "täxt \u{1F980}\0\n".into()),
            (CONTENT_TYPE, JSON.into()),
            ("", "no name".into()),
            ("empty", "".into()),
            ("number", 7_u64.into()),
            ("negative", (-7_i64).into()),
            ("largest", u64::MAX.into()),
            ("float", Attribute::Number(Number::from_f64(0.1).unwrap())),
            ("whole float", Attribute::Number(Number::from_f64(1.0).unwrap())),
            ("list", Attribute::List(vec![json!("a"), json!(1), json!(1.5), json!(true), json!(null)])),
            ("large in a list", Attribute::List(vec![json!(u64::MAX)])),
            ("nested", Attribute::List(vec![json!({"a": [1]})])),
            ("no list", Attribute::List(Vec::new())),
            ("x-death", "not the server's".into()),
            ("x-delivery-count", 9_u64.into()),
            ("CC", ["another queue"].into()),
            ("x-delay", 5_u64.into()),
            (ATTRIBUTES, "not ours".into()),
            (TOPIC, "not ours".into()),
            (long.as_str(), "a long name".into()),
        ];
        packet.attributes = attributes.into_iter().collect();
        let properties = write(&"rabbitmq:test".into(), &packet, true).unwrap();
        assert!(!properties.headers().as_ref().unwrap().contains_key("CC"), "an attribute must not address anybody");
        assert_eq!(round_trip(&packet), (packet, 1));

        let long = Packet::new("i".repeat(300), "");
        assert_eq!(round_trip(&long), (long, 1));
        assert_eq!(round_trip(&Packet::default()), (Packet::default(), 1));
    }

    #[test]
    fn what_does_not_fit_into_a_frame_is_refused() {
        let mut packet = Packet::default();
        packet.attributes.insert("large", "x".repeat(MAX_HEADER_BYTES - 13));
        assert!(write(&"rabbitmq:test".into(), &packet, false).is_ok());
        packet.attributes.insert("large", "x".repeat(MAX_HEADER_BYTES));
        let error = write(&"rabbitmq:test".into(), &packet, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(!error.to_string().contains("xxx"));
    }

    fn foreign() -> FieldTable {
        let mut headers = FieldTable::default();
        let mut inner = FieldTable::default();
        inner.insert("deep".into(), AMQPValue::Boolean(true));
        let decimal = lapin::types::DecimalValue { scale: 2, value: 125 };
        let mut list = FieldArray::default();
        list.push(AMQPValue::FieldTable(inner.clone()));
        list.push(AMQPValue::ShortInt(-3));
        for (name, value) in [
            ("bool", AMQPValue::Boolean(false)),
            ("byte", AMQPValue::ShortShortInt(-1)),
            ("time", AMQPValue::Timestamp(1_700_000_000)),
            ("float", AMQPValue::Double(f64::NAN)),
            ("decimal", AMQPValue::DecimalValue(decimal)),
            ("bytes", AMQPValue::ByteArray(vec![b'a', 0xff].into())),
            ("latin", AMQPValue::LongString(vec![b'b', 0xe4].into())),
            ("table", AMQPValue::FieldTable(inner)),
            ("list", AMQPValue::FieldArray(list)),
            ("nothing", AMQPValue::Void),
            ("x-death", AMQPValue::FieldArray(FieldArray::default())),
            ("x-delivery-count", AMQPValue::LongLongInt(2)),
            ("CC", AMQPValue::FieldArray(FieldArray::default())),
            ("BCC", AMQPValue::FieldArray(FieldArray::default())),
            ("x-delay", AMQPValue::LongInt(5)),
            (ATTEMPT, AMQPValue::LongString("no number".into())),
            (ATTRIBUTES, AMQPValue::LongString("no json".into())),
        ] {
            headers.insert(name.into(), value);
        }
        headers
    }

    #[test]
    fn the_headers_of_strangers_are_read() {
        let (packet, attempt) = read(&BasicProperties::default().with_headers(foreign()), b"body".to_vec());
        let seen: Vec<_> = packet.attributes.iter().map(|(name, value)| (name, value.kind(), value.text())).collect();
        let expected = [
            ("bool", "String", "false"),
            ("byte", "Number", "-1"),
            ("bytes", "String", "a\u{fffd}"),
            ("decimal", "Number", "1.25"),
            ("float", "String", "NaN"),
            ("latin", "String", "b\u{fffd}"),
            ("list", "String.Array", "[\"{\\\"deep\\\":true}\",-3]"),
            ("table", "String", "{\"deep\":true}"),
            ("time", "Number", "1700000000"),
        ];
        assert_eq!(seen, expected.map(|(name, kind, text)| (name, kind, text.to_owned())));
        assert_eq!((attempt, packet.id.as_str(), packet.key), (1, "", None));
    }

    #[test]
    fn a_stranger_writes_the_attributes_of_an_event_as_they_are() {
        let stranger = |more: &[(&'static str, &'static str)]| {
            let mut headers = FieldTable::default();
            for (name, value) in [("ce-specversion", "1.0"), ("ce-subject", "100%25 wool")].iter().chain(more) {
                headers.insert((*name).into(), AMQPValue::LongString((*value).into()));
            }
            read(&BasicProperties::default().with_headers(headers), Vec::new()).0.attributes
        };
        assert_eq!(stranger(&[]).text(BINDING), Some(RABBITMQ));
        // One of ours says what it is, or was sent before any did and has a topic.
        assert_eq!(stranger(&[(BINDING, HTTP)]).get(BINDING), None);
        assert_eq!(stranger(&[(TOPIC, "orders")]).get(BINDING), None);
        assert_eq!(read(&BasicProperties::default(), Vec::new()).0.attributes.get(BINDING), None);
        for binding in [None, Some(RABBITMQ)] {
            let mut packet = Packet::new("7", "1");
            packet.attributes.insert("CE-SpecVersion", "1.0");
            binding.map(|binding| packet.attributes.insert(BINDING, binding));
            assert_eq!(round_trip(&packet).0, packet);
            assert_eq!(round_trip(&round_trip(&packet).0).0, packet);
        }
    }

    #[test]
    fn a_table_without_end_is_left_out() {
        let deep = (0..100).fold(AMQPValue::Boolean(true), |inner, _| {
            let mut list = FieldArray::default();
            list.push(inner);
            AMQPValue::FieldArray(list)
        });
        let mut headers = FieldTable::default();
        headers.insert("deep".into(), deep);
        let (packet, _) = read(&BasicProperties::default().with_headers(headers), Vec::new());
        assert!(packet.attributes.is_empty());
    }

    #[test]
    fn another_attempt_keeps_what_the_message_was() {
        let properties = BasicProperties::default()
            .with_headers(foreign())
            .with_message_id("id".into())
            .with_content_type("text/plain".into())
            .with_priority(4)
            .with_expiration("1000".into())
            .with_user_id("somebody".into());
        let once = again(&properties, 8);
        assert_eq!((once.expiration(), once.user_id(), *once.priority()), (&None, &None, Some(4)));
        assert_eq!(once.content_type().as_ref().map(ShortString::as_str), Some("text/plain"));
        // What has the server do or count something is not sent once more.
        let names: Vec<_> = once.headers().iter().flatten().map(|(name, _)| name.to_string()).collect();
        assert!(BY_THE_SERVER.iter().all(|name| !names.iter().any(|sent| sent == name)), "{names:?}");
        let (first, second) = (read(&properties, Vec::new()), read(&once, Vec::new()));
        assert_eq!((first.0, first.1, second.1), (second.0, 1, 8));
    }
}
