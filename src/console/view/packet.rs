//! A packet, and JSON that nobody has said may be seen, as a page shows them.
//!
//! `Packet → personal.rs: does it say that anybody may see it? → PacketShown: a name, a key, a payload or what is told of it`

use std::time::SystemTime;

use convoke::transport::{DEAD_LETTER, Packet};
use convoke::{Envelope, EnvelopeLimits, codec};
use serde_json::Value;

use super::HIDDEN;
use super::personal::{is_authorization, is_free_of_it, without_authorization};
use super::text::{block, shown};
use super::time::Figure;

/// The longest body that is read to be shown.
const MAX_BYTES: usize = 1024 * 1024;

/// As many fields of a payload that is hidden are named, and as many signs of each: a name may be a value that somebody has turned into
/// a key.
const NAMED: usize = 8;
const SIGNS: usize = 24;

/// A packet as a page shows it.
#[derive(Clone, Debug)]
pub(crate) struct PacketShown {
    /// The name of its event, or of its task.
    pub(crate) event: String,
    pub(crate) topic: String,
    pub(crate) id: String,
    /// The key of its order; `(hidden)` if it may be personal.
    pub(crate) key: Option<String>,
    pub(crate) time: Option<SystemTime>,
    pub(crate) bytes: Figure,
    /// Whether what is in it is shown.
    pub(crate) is_open: bool,
    /// Its payload on lines of its own, or what is told of one that is hidden.
    pub(crate) payload: String,
    /// Values beside its body, if they are shown.
    pub(crate) attributes: Vec<(String, String)>,
}

impl PacketShown {
    /// Reads a packet; `reveals` shows whatever is in it.
    pub(crate) fn of(packet: &Packet, reveals: bool) -> Self {
        let event = codec::read(packet, EnvelopeLimits::default()).ok();
        let body: Option<Value> =
            if packet.body.len() <= MAX_BYTES { serde_json::from_slice(&packet.body).ok() } else { None };
        let is_open = reveals || is_free_of_it(packet, body.as_ref(), event.as_ref());
        let name = name_of(packet, event.as_ref());
        let topic = event.as_ref().map(|event| event.metadata.topic.as_str()).filter(|topic| !topic.is_empty());
        let topic = topic.or(Some(packet.topic.as_str()).filter(|topic| !topic.is_empty())).or(name);
        let key = packet.key.as_deref().map(|key| if is_open { shown(key) } else { HIDDEN.to_owned() });
        Self {
            topic: topic.map_or_else(String::new, shown),
            event: name.map_or_else(|| "–".to_owned(), shown),
            id: event.as_ref().map_or_else(|| shown(&packet.id), |event| event.metadata.id.to_string()),
            key,
            time: event.as_ref().map(|event| event.metadata.time),
            bytes: Figure::known(u64::try_from(packet.body.len()).ok()),
            is_open,
            payload: payload_of(packet, event.as_ref(), body, is_open),
            attributes: if is_open { attributes_of(packet) } else { Vec::new() },
        }
    }

    /// The name of the event of a packet, as it is, by which letters are filtered.
    pub(crate) fn event_of(packet: &Packet) -> Option<String> {
        match beside(packet) {
            Some(name) => Some(name.to_owned()),
            None => {
                let event = codec::read(packet, EnvelopeLimits::default()).ok();
                name_of(packet, event.as_ref()).map(str::to_owned)
            }
        }
    }
}

fn name_of<'a>(packet: &'a Packet, event: Option<&'a Envelope>) -> Option<&'a str> {
    let read = event.map(|event| event.metadata.event.as_str()).filter(|name| !name.is_empty());
    read.or_else(|| beside(packet))
}

/// The name of the event, or of the task, as the attributes have it.
fn beside(packet: &Packet) -> Option<&str> {
    ["eventName", "convoke-task"].iter().find_map(|name| packet.attributes.text(name)).filter(|name| !name.is_empty())
}

fn payload_of(packet: &Packet, event: Option<&Envelope>, body: Option<Value>, is_open: bool) -> String {
    let payload = event.map(|event| event.payload.clone()).or(body);
    match payload {
        payload if !is_open => hidden(packet.body.len(), payload.as_ref()),
        Some(payload) => pretty(payload),
        None => block(&String::from_utf8_lossy(&packet.body)),
    }
}

fn attributes_of(packet: &Packet) -> Vec<(String, String)> {
    let shown_of = |name: &str, text: String| if is_authorization(name) { HIDDEN.to_owned() } else { shown(&text) };
    let all = packet.attributes.iter().filter(|(name, _)| *name != DEAD_LETTER);
    all.map(|(name, value)| (shown(name), shown_of(name, value.text()))).collect()
}

/// JSON on lines of its own, without what lets somebody act for another.
pub(crate) fn pretty(value: Value) -> String {
    let value = without_authorization(value);
    block(&serde_json::to_string_pretty(&value).unwrap_or_else(|_| value.to_string()))
}

/// JSON of which nobody has said that it may be seen: the whole of it for who may reveal, and for others what is told of it.
pub(crate) fn guarded(value: &Value, reveals: bool) -> String {
    if reveals { pretty(value.clone()) } else { hidden(value.to_string().len(), Some(value)) }
}

/// How large it is, and what its fields are called.
fn hidden(bytes: usize, value: Option<&Value>) -> String {
    let bytes = Figure::known(u64::try_from(bytes).ok());
    let of = match value {
        Some(Value::Object(all)) if all.is_empty() => " of JSON without fields".to_owned(),
        Some(Value::Object(all)) => {
            let names: Vec<String> = all.keys().take(NAMED).map(|name| field(name)).collect();
            match all.len() - names.len() {
                0 => format!(" of JSON with {}", names.join(", ")),
                more => format!(" of JSON with {} and {more} more", names.join(", ")),
            }
        }
        Some(_) => " of JSON".to_owned(),
        None => String::new(),
    };
    format!("(hidden: {bytes} bytes{of})")
}

/// A name that is no word may be a value: an address, a number, an id.
fn field(name: &str) -> String {
    let is_word = name.starts_with(|first: char| first.is_alphabetic() || matches!(first, '_' | '$'))
        && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$'));
    match (is_word, name.char_indices().nth(SIGNS)) {
        (false, _) => "(a name)".to_owned(),
        (true, Some((end, _))) => format!("{}…", &name[..end]),
        (true, None) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use convoke::Metadata;
    use convoke::codec::{Codec, Wire};
    use serde_json::json;

    use super::*;

    fn packet(is_personal: bool) -> Packet {
        let mut metadata = Metadata::new("UserRegistered");
        metadata.contains_personal_data = is_personal;
        metadata.authorization = "Bearer geheim".to_owned().into();
        let payload = json!({"email": "ada@example.org", "name": "Ada \u{1b}[31m\u{9b}"});
        let mut packet = Wire::camel().write(&Envelope::new(metadata, payload));
        packet.key = Some("ada".to_owned());
        packet
    }

    #[test]
    fn what_is_personal_is_told_of_and_not_shown() {
        let packet = packet(true);
        let seen = PacketShown::of(&packet, false);
        assert!(
            seen.payload.starts_with("(hidden: ") && seen.payload.ends_with(" bytes of JSON with email, name)"),
            "{seen:?}"
        );
        assert_eq!((seen.key.as_deref(), seen.event.as_str()), (Some("(hidden)"), "UserRegistered"));
        assert!(!format!("{seen:?}").contains("ada") && !format!("{seen:?}").contains("geheim"));
        let revealed = PacketShown::of(&packet, true);
        assert!(revealed.payload.contains("ada@example.org"));
        assert_eq!(revealed.key.as_deref(), Some("ada"));
    }

    #[test]
    fn an_authorization_is_never_shown_and_nothing_steers() {
        let mut foreign = Packet::new("\u{1b}]0;x\u{7}", r#"{"authorization": "Bearer geheim", "a": ["\u001b"]}"#);
        foreign.attributes.insert("ce-authorization", "Bearer geheim");
        for packet in [packet(false), foreign, Packet::new("1", *b"\xff\x1b[2J")] {
            let seen = PacketShown::of(&packet, true);
            let all = format!("{} {} {} {:?}", seen.event, seen.id, seen.payload, seen.attributes);
            assert!(!all.chars().any(|letter| letter.is_control() && letter != '\n'), "{all:?}");
            assert!(!all.contains("geheim"), "{all}");
        }
    }

    #[test]
    fn names_of_fields_are_told_and_what_may_be_a_value_is_not() {
        let value = json!({"email": "a", "ada@example.org": 1, "17": 2, "\u{1b}[2J": 3});
        let told = guarded(&value, false);
        assert!(told.ends_with("of JSON with (a name), (a name), (a name), email)"), "{told}");
        assert!(guarded(&json!(["ada"]), false).ends_with("bytes of JSON)"));
        assert!(guarded(&value, true).contains("ada@example.org"));
    }
}
