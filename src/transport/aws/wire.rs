//! What a packet is on the wire of SNS and SQS, and back, to the letter: both refuse texts that are empty or have control
//! characters in them, so these travel in disguise.
//!
//! `Packet → Entry → SendMessageBatch, PublishBatch`, `ReceiveMessage → Received → Packet`

use aws_smithy_types::base64;
use serde_json::{Number, Value};

use super::limits::MAX_ATTRIBUTES;
#[cfg(feature = "sqs")]
use super::limits::MAX_BYTES;
use crate::transport::{Abilities, Attribute, ErrorKind, Packet, TransportError};

/// The attribute that says how the body was written, where it is not text that these servers take: `base64`.
const BODY: &str = "convokeBody";

/// The type of an attribute whose value is written as JSON: an empty text, one with control characters, a number beyond
/// what SQS takes. To the servers it is a `String` with a label.
const JSON: &str = "String.Json";

/// Base64 of nothing would be nothing, which is refused.
const EMPTY: &str = "=";

/// The longest group and de-duplication id.
const MAX_IDENTIFIER: usize = 128;

/// A packet as these servers take it.
#[derive(Debug)]
pub(in crate::transport) struct Entry {
    pub(in crate::transport) body: String,
    /// Name, type, value.
    pub(in crate::transport) attributes: Vec<(String, &'static str, String)>,
    /// Where there is an order: the group, and the id by which a second one is dropped.
    pub(in crate::transport) fifo: Option<(String, String)>,
    /// In seconds; SNS knows none.
    #[cfg(feature = "sqs")]
    pub(in crate::transport) delay: i32,
    pub(in crate::transport) bytes: usize,
}

/// What of a packet depends on where it goes.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport) struct Rules<'a> {
    pub(in crate::transport) name: &'a str,
    pub(in crate::transport) abilities: Abilities,
    pub(in crate::transport) fifo: bool,
    /// The group of everything, instead of each packet's key.
    pub(in crate::transport) group: Option<&'a str>,
}

impl Entry {
    /// Writes a packet.
    ///
    /// # Errors
    ///
    /// Those of [`Abilities::check`], and `Unsupported` for a name that is none.
    pub(in crate::transport) fn new(packet: &Packet, rules: Rules<'_>) -> Result<Self, TransportError> {
        rules.abilities.check(rules.name, packet)?;
        let error = |kind, text: String| TransportError::new(kind, rules.name, text);
        let mut attributes = Vec::with_capacity(packet.attributes.len() + 1);
        for (name, value) in packet.attributes.iter() {
            if !is_name(name) {
                let text = "an attribute has a name that is not taken: use letters, digits, `_`, `-` and `.`, \
                            at most 256, and not `AWS.` at the start";
                return Err(error(ErrorKind::Unsupported, text.to_owned()));
            }
            let (kind, text) = written(value);
            attributes.push((name.to_owned(), kind, text));
        }
        let body = match text_of(&packet.body) {
            Some(text) => text.to_owned(),
            None => {
                attributes.push((BODY.to_owned(), "String", "base64".to_owned()));
                if packet.body.is_empty() { EMPTY.to_owned() } else { base64::encode(&packet.body) }
            }
        };
        if attributes.len() > MAX_ATTRIBUTES {
            let text = format!(
                "a body that is no text takes one of {MAX_ATTRIBUTES} attributes, and there is none left: use fewer"
            );
            return Err(error(ErrorKind::TooLarge, text));
        }
        let sizes = attributes.iter().map(|(name, kind, text)| name.len() + kind.len() + text.len());
        let bytes = body.len() + sizes.sum::<usize>();
        if bytes > rules.abilities.max_bytes {
            let limit = rules.abilities.max_bytes;
            let text = format!("a packet is {bytes} bytes as it is written, and {limit} are allowed: send a reference");
            return Err(error(ErrorKind::TooLarge, text));
        }
        let fifo = rules.fifo.then(|| identifiers(packet, rules.group)).transpose();
        let fifo = fifo.map_err(|text| error(ErrorKind::TooLarge, text))?;
        Ok(Self {
            body,
            attributes,
            fifo,
            #[cfg(feature = "sqs")]
            delay: seconds(packet.delay),
            bytes,
        })
    }
}

/// Returns the group of a packet, and what it is recognized by. What has no key is in no order: it is a group of its own.
fn identifiers(packet: &Packet, group: Option<&str>) -> Result<(String, String), String> {
    let id = if packet.id.is_empty() { format!("{:032x}", fastrand::u128(..)) } else { identifier(&packet.id)? };
    let group = match group.or(packet.key.as_deref()) {
        Some(group) => identifier(group)?,
        None => id.clone(),
    };
    Ok((group, id))
}

/// Writes a text with the characters that an id may have: any other byte as `%` and two digits.
fn identifier(text: &str) -> Result<String, String> {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    // An empty key is one too.
    if written.is_empty() {
        written.push('%');
    }
    if written.len() > MAX_IDENTIFIER {
        return Err(format!(
            "a key or an id is longer than {MAX_IDENTIFIER} characters, as it is written: use a shorter one"
        ));
    }
    Ok(written)
}

/// Reads what [`identifier`] has written; of anything else the letters.
#[cfg(feature = "sqs")]
pub(in crate::transport) fn identifier_text(written: &str) -> String {
    if !written.contains('%') {
        return written.to_owned();
    }
    if written == "%" {
        return String::new();
    }
    let mut parts = written.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let Some(byte) = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return written.to_owned();
        };
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| written.to_owned())
}

/// Returns whole seconds, and never less than was asked for.
#[cfg(feature = "sqs")]
pub(in crate::transport) fn seconds(time: std::time::Duration) -> i32 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    whole.try_into().unwrap_or(i32::MAX)
}

/// Returns the text that bytes are, if it is one that these servers take.
fn text_of(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && is_plain(text)).then_some(text)
}

/// Whether a body travels as base64.
#[cfg(feature = "sqs")]
pub(in crate::transport) fn needs_base64(body: &[u8]) -> bool {
    text_of(body).is_none()
}

/// Returns how many bytes a packet with this body may have, so that it fits as it is written.
#[cfg(feature = "sqs")]
pub(in crate::transport) fn room(body: &[u8], max_bytes: usize) -> usize {
    if !needs_base64(body) {
        return max_bytes;
    }
    let marker = BODY.len() + "String".len() + "base64".len();
    max_bytes.saturating_sub(marker + base64::encoded_length(body.len()) - body.len())
}

/// Whether all characters are taken: `#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF`.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let low = bytes.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    !(low || (bytes.contains(&0xEF) && text.contains(['\u{FFFE}', '\u{FFFF}'])))
}

fn is_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let reserved = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    (1..=256).contains(&name.len())
        && name.bytes().all(letters)
        && !(name.starts_with('.') || name.ends_with('.') || name.contains(".."))
        && !(reserved("aws.") || reserved("amazon."))
}

/// Returns type and value, as they are written.
fn written(value: &Attribute) -> (&'static str, String) {
    match value {
        Attribute::Text(text) if !text.is_empty() && is_plain(text) => ("String", text.clone()),
        Attribute::Text(text) => (JSON, json(&Value::from(text.as_str()))),
        Attribute::Number(number) if is_taken(number) => ("Number", number.to_string()),
        Attribute::Number(number) => (JSON, number.to_string()),
        Attribute::List(list) => {
            let flat = list.iter().all(|value| !value.is_array() && !value.is_object());
            (if flat { "String.Array" } else { JSON }, json(&Value::from(list.clone())))
        }
    }
}

/// SQS takes numbers from 10^-128 to 10^126 on either side of zero.
fn is_taken(number: &Number) -> bool {
    let size = number.as_f64().unwrap_or_default().abs();
    size == 0.0 || (1e-127..1e125).contains(&size)
}

/// Writes JSON without any character that is not taken. The two that JSON leaves as they are stand only in texts.
fn json(value: &Value) -> String {
    let text = value.to_string();
    if is_plain(&text) { text } else { text.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff") }
}

/// What was received, before it is a packet.
#[cfg(feature = "sqs")]
#[derive(Debug, Default)]
pub(in crate::transport) struct Received {
    pub(in crate::transport) id: String,
    pub(in crate::transport) body: String,
    /// Name, type, value.
    pub(in crate::transport) attributes: Vec<(String, String, String)>,
    pub(in crate::transport) key: Option<String>,
}

#[cfg(feature = "sqs")]
impl Received {
    /// Reads the packet, out of a notification of SNS too. No address in one is ever followed.
    pub(in crate::transport) fn packet(mut self) -> Packet {
        if let Some(notification) = Notification::read(&self) {
            self = notification.open(self);
        }
        let mut base64 = false;
        let mut packet = Packet::default();
        for (name, kind, text) in self.attributes {
            if name == BODY && text == "base64" {
                base64 = true;
            } else {
                packet.attributes.insert(name, read(&kind, text));
            }
        }
        packet.id = self.id;
        packet.key = self.key;
        packet.body = match base64.then(|| bytes_of(&self.body)).flatten() {
            Some(bytes) => bytes,
            None => self.body.into_bytes(),
        };
        packet
    }
}

#[cfg(feature = "sqs")]
fn bytes_of(body: &str) -> Option<Vec<u8>> {
    if body == EMPTY { Some(Vec::new()) } else { base64::decode(body).ok() }
}

#[cfg(feature = "sqs")]
fn read(kind: &str, text: String) -> Attribute {
    match kind {
        "String" => Attribute::Text(text),
        JSON => match serde_json::from_str(&text) {
            Ok(Value::String(text)) => Attribute::Text(text),
            Ok(Value::Number(number)) => Attribute::Number(number),
            Ok(Value::Array(list)) => Attribute::List(list),
            _ => Attribute::Text(text),
        },
        // A label of somebody else's, as in `Number.int`, changes nothing.
        kind if kind.starts_with("Number.") => Attribute::read("Number", &text),
        kind => Attribute::read(kind, &text),
    }
}

/// What SNS puts around a message that is not delivered raw.
#[cfg(feature = "sqs")]
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    r#type: String,
    #[serde(rename = "MessageId")]
    _id: String,
    #[serde(rename = "TopicArn")]
    _topic: String,
    message: String,
    #[serde(default)]
    message_attributes: std::collections::BTreeMap<String, NotificationAttribute>,
}

#[cfg(feature = "sqs")]
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NotificationAttribute {
    r#type: String,
    value: String,
}

#[cfg(feature = "sqs")]
impl Notification {
    /// Reads one. A message that SNS has put something around has no attributes of its own, and one that has no such words
    /// is not read twice.
    fn read(received: &Received) -> Option<Self> {
        let body = received.body.as_str();
        if !received.attributes.is_empty()
            || body.len() > MAX_BYTES * 8
            || !body.trim_start().starts_with('{')
            || !body.contains("\"TopicArn\"")
            || !body.contains("\"Notification\"")
        {
            return None;
        }
        serde_json::from_str(body).ok().filter(|read: &Self| read.r#type == "Notification")
    }

    fn open(self, around: Received) -> Received {
        let attributes = self.message_attributes.into_iter();
        let attributes = attributes.map(|(name, value)| (name, value.r#type, value.value)).collect();
        Received { body: self.message, attributes, ..around }
    }
}
