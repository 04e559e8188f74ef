//! A packet as it is shown.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::time::{Duration, UNIX_EPOCH};

use convoke::transport::{DEAD_LETTER, Packet};
use convoke::{Envelope, EnvelopeLimits, codec};
use serde_json::{Map, Value, json};

use super::fields::fields;
use super::figures::{UNKNOWN, figure, instant};
use super::personal::is_free_of_it;
use crate::error::{cut, shown};

/// What stands where a value would that may be personal.
const HIDDEN: &str = "(hidden)";

/// The longest body that is read to be shown.
const MAX_BYTES: usize = 1024 * 1024;

/// A packet, what was read of it, and whether anybody may see what is in it.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    packet: &'a Packet,
    event: Option<Envelope>,
    body: OnceCell<Option<Value>>,
    is_open: OnceCell<bool>,
}

impl<'a> Seen<'a> {
    /// Reads a packet; `reveal` shows whatever is in it.
    pub(crate) fn new(packet: &'a Packet, reveal: bool) -> Self {
        let event = codec::read(packet, EnvelopeLimits::default()).ok();
        let is_open = if reveal { OnceCell::from(true) } else { OnceCell::new() };
        Self { packet, event, body: OnceCell::new(), is_open }
    }

    fn is_open(&self) -> bool {
        *self.is_open.get_or_init(|| is_free_of_it(self.packet, self.body(), self.event.as_ref()))
    }

    fn body(&self) -> Option<&Value> {
        let read = || serde_json::from_slice(&self.packet.body).ok();
        self.body.get_or_init(|| if self.packet.body.len() <= MAX_BYTES { read() } else { None }).as_ref()
    }

    /// The name of the event, as it is: of one that cannot be read, what stands beside it.
    pub(crate) fn name(&self) -> Option<&str> {
        let read = self.event.as_ref().map(|event| event.metadata.event.as_str());
        read.filter(|name| !name.is_empty()).or_else(|| beside(self.packet))
    }

    /// The same for one of many: what stands beside a packet, by which servers filter too, is known before it is read.
    pub(crate) fn name_of(packet: &Packet) -> Option<Cow<'_, str>> {
        let read = || Seen::new(packet, false).name().map(|name| Cow::Owned(name.to_owned()));
        beside(packet).map(Cow::Borrowed).or_else(read)
    }

    /// The topic, as it is: an event without one travels on its name.
    pub(crate) fn topic(&self) -> Option<&str> {
        let of = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        let read = self.event.as_ref().map(|event| event.metadata.topic.as_str()).filter(|topic| !topic.is_empty());
        read.or(of(&self.packet.topic)).or_else(|| self.name())
    }

    /// The id of the event, or of what is none.
    pub(crate) fn id(&self) -> String {
        match &self.event {
            Some(event) => event.metadata.id.to_string(),
            None if self.packet.id.is_empty() => UNKNOWN.to_owned(),
            None => shown(&self.packet.id),
        }
    }

    /// The name of the event, for a person.
    pub(crate) fn called(&self) -> String {
        self.name().map_or_else(|| UNKNOWN.to_owned(), shown)
    }

    /// When it was published, in milliseconds since 1970.
    pub(crate) fn time(&self) -> Option<u64> {
        let time = self.event.as_ref()?.metadata.time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(time.as_millis()).ok()
    }

    /// The key of its order, for a person.
    pub(crate) fn key(&self) -> Option<String> {
        self.packet.key.as_ref().map(|key| if self.is_open() { shown(key) } else { HIDDEN.to_owned() })
    }

    /// The payload on one line, of which at most so many signs are shown; or what is told of one that is hidden.
    pub(crate) fn payload(&self, most: usize) -> String {
        if !self.is_open() {
            return self.hidden();
        }
        match self.value() {
            Some(value) => cut(&value.to_string(), most),
            None => cut(&String::from_utf8_lossy(&self.packet.body), most),
        }
    }

    /// How large a hidden payload is, and what its fields are called.
    fn hidden(&self) -> String {
        let bytes = figure(Some(self.packet.body.len() as u64));
        let of = match self.told().map(fields) {
            Some(Some((names, 0))) if names.is_empty() => " of JSON without fields".to_owned(),
            Some(Some((names, 0))) => format!(" of JSON with {}", names.join(", ")),
            Some(Some((names, more))) => format!(" of JSON with {} and {more} more", names.join(", ")),
            Some(None) => " of JSON".to_owned(),
            None => String::new(),
        };
        format!("(hidden: {bytes} bytes{of})")
    }

    /// What a payload has that is hidden: that of an event, or the body of what is none.
    fn told(&self) -> Option<&Value> {
        self.event.as_ref().map(|event| &event.payload).or_else(|| self.body())
    }

    /// What may be shown, without what lets somebody act for another.
    fn value(&self) -> Option<Value> {
        match &self.event {
            Some(event) => Some(event.payload.clone()),
            None => self.body().cloned().map(without_authorization),
        }
    }

    /// All of it for a machine. A key, attributes and a payload are there only if they may be seen.
    pub(crate) fn json(&self) -> Value {
        let mut all = Map::new();
        let mut add = |name: &str, value: Value| all.insert(name.to_owned(), value);
        add("event", json!(self.name()));
        add("eventId", json!(self.event.as_ref().map(|event| event.metadata.id)));
        add("packetId", json!(self.packet.id));
        add("time", json!(self.time().and_then(instant)));
        add("topic", json!(self.topic()));
        add("version", json!(self.event.as_ref().map(|event| event.metadata.version)));
        add("bytes", json!(self.packet.body.len()));
        if self.is_open() {
            add("attributes", self.attributes());
            add("key", json!(self.packet.key));
            let text = || Value::from(String::from_utf8_lossy(&self.packet.body).into_owned());
            add("payload", self.value().unwrap_or_else(text));
        } else {
            let fields = self.told().and_then(fields);
            add("hidden", json!({ "fields": fields.map(|(names, _)| names), "key": self.packet.key.is_some() }));
        }
        Value::Object(all)
    }

    fn attributes(&self) -> Value {
        let shown = self.packet.attributes.iter().filter(|(name, _)| *name != DEAD_LETTER);
        let value = |name: &str, text: String| if is_authorization(name) { HIDDEN.to_owned() } else { text };
        shown.map(|(name, attribute)| (name.to_owned(), Value::from(value(name, attribute.text())))).collect()
    }
}

/// The name of the event, or of the task, as the attributes have it.
fn beside(packet: &Packet) -> Option<&str> {
    ["eventName", "convoke-task"].iter().find_map(|name| packet.attributes.text(name))
}

/// Whether a name is that of what lets somebody act for another.
fn is_authorization(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("authorization") || name.contains("password") || name.contains("secret")
}

fn without_authorization(value: Value) -> Value {
    match value {
        Value::Object(all) => all
            .into_iter()
            .map(|(name, value)| {
                let value = if is_authorization(&name) { Value::from(HIDDEN) } else { without_authorization(value) };
                (name, value)
            })
            .collect(),
        Value::Array(all) => all.into_iter().map(without_authorization).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use convoke::Metadata;
    use convoke::codec::{Codec, Wire};

    use super::*;

    fn packet(is_personal: bool) -> Packet {
        let mut metadata = Metadata::new("UserRegistered");
        metadata.contains_personal_data = is_personal;
        metadata.authorization = "Bearer geheim".to_owned().into();
        let payload = json!({"email": "ada@example.org", "name": "Ada \u{1b}[31m\u{9b}"});
        let mut packet = Wire.write(&Envelope::new(metadata, payload));
        packet.key = Some("ada".to_owned());
        packet
    }

    #[test]
    fn what_is_personal_is_told_of_and_not_shown() {
        let packet = packet(true);
        let seen = Seen::new(&packet, false);
        let line = seen.payload(1000);
        assert!(line.starts_with("(hidden: ") && line.ends_with(" bytes of JSON with email, name)"), "{line}");
        assert_eq!((seen.key().as_deref(), seen.name()), (Some("(hidden)"), Some("UserRegistered")));
        let json = seen.json().to_string();
        assert!(!json.contains("ada") && !json.contains("geheim"), "{json}");
        let revealed = Seen::new(&packet, true);
        assert!(revealed.payload(1000).contains("ada@example.org"));
        assert_eq!(revealed.key().as_deref(), Some("ada"));
    }

    #[test]
    fn nothing_steers_a_terminal_and_an_authorization_is_never_shown() {
        for packet in
            [packet(false), Packet::new("\u{1b}]0;x\u{7}", r#"{"authorization": "Bearer geheim", "a": ["\u001b"]}"#)]
        {
            let seen = Seen::new(&packet, true);
            for text in [seen.payload(1000), seen.id(), seen.called(), seen.key().unwrap_or_default()] {
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(!text.contains("geheim"), "{text}");
            }
            assert!(!seen.json().to_string().contains("geheim"));
        }
        let mut broken = Packet::new("1", *b"\xff\x1b[2J");
        broken.attributes.insert("ce-authorization", "Bearer geheim");
        let seen = Seen::new(&broken, true);
        assert_eq!(seen.payload(100), "\u{fffd}\\u{1b}[2J");
        assert!(!seen.json().to_string().contains("geheim"));
        assert_eq!(Seen::new(&broken, false).payload(100), "(hidden: 5 bytes)");
    }
}
