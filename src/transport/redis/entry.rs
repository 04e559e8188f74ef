//! How a packet stands in a stream: as fields of an entry.
//!
//! `Packet → write → XADD`, `XREADGROUP → read → Packet`
//!
//! | field | is |
//! |---|---|
//! | `id`, `body`, `topic`, `key` | those of the packet; one that is empty is left out, but the body |
//! | `s:name`, `n:name`, `l:name` | an attribute: a text, a number, a list as JSON |
//!
//! An entry of others has its body in `body`, else in `payload` or `data`; its other fields are attributes.

use std::collections::HashSet;

use ::redis::{Cmd, Value};

use crate::transport::{Attribute, DEAD_LETTER, Packet};

/// How many attributes a packet may have, and how many an entry of others gets.
pub(super) const MAX_ATTRIBUTES: usize = 256;

/// Gives the fields of a packet to `put`, one by one.
fn each(packet: &Packet, mut put: impl FnMut(&[u8], &[u8])) {
    if !packet.id.is_empty() {
        put(b"id", packet.id.as_bytes());
    }
    put(b"body", &packet.body);
    if !packet.topic.is_empty() {
        put(b"topic", packet.topic.as_bytes());
    }
    if let Some(key) = &packet.key {
        put(b"key", key.as_bytes());
    }
    let mut field = Vec::new();
    for (name, value) in packet.attributes.iter() {
        field.clear();
        field.extend_from_slice(match value {
            Attribute::Text(_) => b"s:",
            Attribute::Number(_) => b"n:",
            Attribute::List(_) => b"l:",
        });
        field.extend_from_slice(name.as_bytes());
        match value {
            Attribute::Text(text) => put(&field, text.as_bytes()),
            other => put(&field, other.text().as_bytes()),
        }
    }
}

/// Adds the fields of a packet to a command.
pub(super) fn write(packet: &Packet, command: &mut Cmd) {
    each(packet, |name, value| {
        command.arg(name).arg(value);
    });
}

/// The fields of a packet and what is in them, one after the other.
pub(crate) fn fields(packet: &Packet) -> Vec<Vec<u8>> {
    let mut fields = Vec::with_capacity(room(packet).0);
    each(packet, |name, value| fields.extend([name.to_vec(), value.to_vec()]));
    fields
}

/// The fields of another entry for a packet that was read from an entry with these fields. What is there stays as it is, byte by byte,
/// also what is no UTF-8, of which a packet shows as much as it can; what the packet has beside it stands before that. The record of how
/// it died is that of the packet.
pub(crate) fn fields_beside(packet: &Packet, entry: &[Value]) -> Vec<Vec<u8>> {
    let raw = |value: &Value| bytes(value.clone());
    let there = entry.chunks_exact(2).filter_map(|pair| Some((raw(&pair[0])?, raw(&pair[1])?)));
    let there: Vec<_> =
        there.filter(|(name, _)| name.strip_prefix(b"s:").unwrap_or(name) != DEAD_LETTER.as_bytes()).collect();
    // As they are read.
    let names: HashSet<String> = there.iter().map(|(name, _)| text(name.clone())).collect();
    let is_there = |name: &[u8]| {
        let Ok(name) = std::str::from_utf8(name) else { return false };
        match name.get(..2).zip(name.get(2..)) {
            Some(("s:" | "n:" | "l:", bare)) => {
                // That of an entry of others has no sign of its type, or another one.
                let is_own = matches!(bare, "id" | "body" | "topic" | "key");
                ["s:", "n:", "l:"].iter().any(|sign| names.contains(&format!("{sign}{bare}")))
                    || !is_own && names.contains(bare)
            }
            _ if name == "body" => ["body", "payload", "data"].iter().any(|name| names.contains(*name)),
            _ => names.contains(name),
        }
    };
    let mut fields = Vec::new();
    each(packet, |name, value| {
        if !is_there(name) {
            fields.extend([name.to_vec(), value.to_vec()]);
        }
    });
    fields.extend(there.into_iter().flat_map(|(name, value)| [name, value]));
    fields
}

/// Whether something of a packet may have been no UTF-8 in its entry.
pub(super) fn may_be_shortened(packet: &Packet) -> bool {
    let is_in = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    let texts = [Some(packet.id.as_str()), Some(packet.topic.as_str()), packet.key.as_deref()];
    texts.into_iter().flatten().any(is_in)
        || packet.attributes.iter().any(|(name, value)| is_in(name) || is_in(&value.text()))
}

/// How much room the fields of a packet take in a command: as many arguments, and about so many bytes.
pub(super) fn room(packet: &Packet) -> (usize, usize) {
    let texts = packet.id.len() + packet.topic.len() + packet.key.as_ref().map_or(0, String::len);
    (8 + 2 * packet.attributes.len(), packet.body.len() + texts + 32 + 48 * packet.attributes.len())
}

/// Reads the packet of an entry. Whatever its fields are, it is one; whether its body is an event is for others to say.
pub(crate) fn read(entry: &str, fields: Vec<Value>) -> Packet {
    let mut packet = Packet::default();
    let (mut body, mut other_body) = (None, None);
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (Some(name), Some(value)) = (bytes(name), bytes(value)) else { continue };
        match &name[..] {
            b"body" => body = Some(value),
            b"id" => packet.id = text(value),
            b"topic" => packet.topic = text(value),
            b"key" => packet.key = Some(text(value)),
            b"payload" | b"data" if other_body.is_none() => other_body = Some((name, value)),
            _ => attribute(entry, &mut packet, name, value),
        }
    }
    packet.body = match (body, other_body) {
        (Some(body), other) => {
            if let Some((name, value)) = other {
                attribute(entry, &mut packet, name, value);
            }
            body
        }
        (None, Some((_, body))) => body,
        (None, None) => Vec::new(),
    };
    if packet.id.is_empty() {
        entry.clone_into(&mut packet.id);
    }
    packet
}

fn attribute(entry: &str, packet: &mut Packet, name: Vec<u8>, value: Vec<u8>) {
    if packet.attributes.len() >= MAX_ATTRIBUTES {
        log::warn!(target: "convoke::transport", "entry {} has more than {MAX_ATTRIBUTES} attributes: the rest is left out", crate::__private::Shown::name(entry));
        return;
    }
    let (mut name, value) = (text(name), text(value));
    let value = match name.as_bytes() {
        [b's', b':', ..] => Attribute::Text(value),
        [b'n', b':', ..] => Attribute::read("Number", &value),
        [b'l', b':', ..] => Attribute::read("String.Array", &value),
        _ => {
            packet.attributes.insert(name, value);
            return;
        }
    };
    name.drain(..2);
    packet.attributes.insert(name, value);
}

pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// What is no UTF-8 was written by others, and is shown as well as it can be.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn through(packet: &Packet) -> Packet {
        let mut fields = Vec::new();
        each(packet, |name, value| {
            fields.extend([Value::BulkString(name.to_vec()), Value::BulkString(value.to_vec())]);
        });
        read("1-0", fields)
    }

    fn foreign(fields: &[(&str, &str)]) -> Packet {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        read("7-1", fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect())
    }

    #[test]
    fn a_packet_comes_out_as_it_went_in() {
        let mut packet = Packet::new("id ä", vec![0, 255, 13, 10]);
        packet.topic = "orders/placed".to_owned();
        packet.key = Some(String::new());
        packet.attributes.insert("ünï", "");
        packet.attributes.insert("s:number", 7_u64);
        packet.attributes.insert("", ["a", ""]);
        packet.attributes.insert("body", "not the body");
        assert_eq!(through(&packet), packet);
        let empty = Packet::new("x", "");
        assert_eq!(through(&empty), empty);
    }

    fn attribute() -> impl Strategy<Value = Attribute> {
        prop_oneof![
            any::<String>().prop_map(Attribute::Text),
            any::<i64>().prop_map(Attribute::from),
            vec(any::<String>(), 0..4).prop_map(Attribute::from),
        ]
    }

    proptest! {
        #[test]
        fn any_packet_comes_out_as_it_went_in(
            id in ".+", body in vec(any::<u8>(), 0..100), topic in any::<String>(), key in any::<Option<String>>(),
            attributes in vec((any::<String>(), attribute()), 0..8),
        ) {
            let mut packet = Packet::new(id, body);
            packet.attributes = attributes.into_iter().collect();
            (packet.topic, packet.key) = (topic, key);
            prop_assert_eq!(through(&packet), packet);
        }

        #[test]
        fn any_entry_is_read(fields in vec(("[a-z:]{0,4}|body|payload|id|key", vec(any::<u8>(), 0..20)), 0..12), odd: bool) {
            let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
            let mut all: Vec<_> = fields.iter().flat_map(|(name, value)| [bulk(name.as_bytes()), bulk(value)]).collect();
            if odd {
                all.push(Value::Nil);
            }
            let packet = read("1-0", all);
            prop_assert!(packet.attributes.len() <= fields.len() && !packet.id.is_empty());
        }
    }

    #[test]
    fn an_entry_of_others_is_read() {
        let packet = foreign(&[("type", "x"), ("payload", "{}")]);
        assert_eq!(
            (packet.id.as_str(), &packet.body[..], packet.attributes.text("type")),
            ("7-1", &b"{}"[..], Some("x"))
        );
        let packet = foreign(&[("data", "1"), ("body", "2")]);
        assert_eq!((&packet.body[..], packet.attributes.text("data")), (&b"2"[..], Some("1")));
        assert_eq!(foreign(&[]).body, b"");
    }

    /// What an entry has is there once more, whatever its bytes are, and each name once.
    #[test]
    fn what_is_no_text_goes_on_as_it_was() {
        let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let record = r#"{"reason":"broken","attempts":1,"source":"x","time":1,"key":"not this one","topic":"t"}"#;
        let pairs: [(&[u8], &[u8]); 7] = [
            (b"id", b"\xff7"),
            (b"payload", b"\x00\xfe"),
            (b"key", b"\xfe"),
            (b"\xfd", b"one"),
            (b"\xfc", b"two"),
            (b"s:named", b"\xfb"),
            (b"s:convokeDeadLetter", record.as_bytes()),
        ];
        let entry: Vec<Value> = pairs.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect();
        let packet = read("7-1", entry.clone());
        assert!(may_be_shortened(&packet));
        let revived = crate::transport::DeadLetterRecord::revive(packet);
        let fields = fields_beside(&revived, &entry);
        let fields: Vec<(&[u8], &[u8])> = fields.chunks(2).map(|pair| (&pair[0][..], &pair[1][..])).collect();
        let mut expected = vec![(&b"topic"[..], &b"t"[..])];
        expected.extend(&pairs[..6]);
        assert_eq!(fields, expected);
    }

    #[test]
    fn an_entry_that_has_lost_what_its_record_keeps_gets_it_back() {
        let mut packet = Packet::new("7", "body");
        packet.key = Some("ada".to_owned());
        for number in 0..4_u64 {
            packet.attributes.insert(format!("a{number}"), number);
        }
        let record =
            crate::transport::DeadLetterRecord::new("x", &packet, 1, crate::transport::DeadReason::Broken, Vec::new());
        let letter = record.bury(packet.clone(), 3, usize::MAX);
        let entry: Vec<Value> = fields(&letter).into_iter().map(Value::BulkString).collect();
        let revived = crate::transport::DeadLetterRecord::revive(read("1-0", entry.clone()));
        let again = fields_beside(&revived, &entry).into_iter().map(Value::BulkString).collect();
        assert_eq!(read("1-0", again), packet);
        assert!(!may_be_shortened(&packet));
    }

    #[test]
    fn an_entry_of_others_has_a_bound_of_attributes() {
        let names: Vec<_> = (0..300).map(|n| format!("field-{n:03}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "")).chain([("body", "b")]).collect();
        let packet = foreign(&fields);
        assert_eq!((packet.attributes.len(), &packet.body[..]), (MAX_ATTRIBUTES, &b"b"[..]));
    }
}
