//! Reads a CloudEvent, of whatever producer.
//!
//! `Packet → Fields, data → Metadata, payload → Envelope`

use std::cell::Cell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use super::cloud_events::{ATTRIBUTES, Binding};
use super::error::CodecError;
use super::fields::Fields;
use super::mode::{attribute, content_type, is, media_type};
use super::percent;
use super::read::carrier;
use crate::transport::{Attribute, Packet};
use crate::{Envelope, EnvelopeError, EnvelopeLimits};

/// Reads one whose body is the whole event.
pub(super) fn read_structured(packet: &Packet, limits: EnvelopeLimits) -> Result<Envelope, CodecError> {
    let body = &*packet.body;
    // `metadata` is a key as any other here.
    limits.keys(usize::MAX).check(body)?;
    let too_many = Cell::new(false);
    let mut parser = serde_json::Deserializer::from_slice(body);
    let read = parser.deserialize_map(Event { keys: limits.max_keys(), too_many: &too_many });
    let read = read.and_then(|event| parser.end().map(|()| event));
    let (fields, data) = match read {
        Ok(event) => event,
        Err(_) if too_many.get() => return Err(CodecError::TooManyAttributes { limit: limits.max_keys() }),
        Err(error) if error.classify() == Category::Data => return Err(CodecError::NoEvent),
        Err(error) => return Err(EnvelopeError::NotJson { line: error.line(), column: error.column() }.into()),
    };
    fields.check_version()?;
    let payload = match data {
        Data { json: None, base64: None } => Value::Null,
        Data { json: Some(json), base64: None } => json,
        Data { json: None, base64: Some(base64) } => {
            let wants = CodecError::WrongAttribute { name: "data_base64", wants: "Base64 with its padding" };
            let Value::String(text) = base64 else { return Err(wants) };
            let bytes = BASE64.decode(&*text).map_err(|_| wants)?;
            payload(bytes, fields.optional("datacontenttype")?.as_deref(), limits)?
        }
        Data { json: Some(_), base64: Some(_) } => return Err(CodecError::TwoData),
    };
    Ok(Envelope::new(fields.metadata(carrier(packet))?, payload))
}

/// Reads one whose body is its data.
pub(super) fn read_binary(
    packet: &Packet,
    prefix: &str,
    binding: Binding,
    limits: EnvelopeLimits,
) -> Result<Envelope, CodecError> {
    let decode = |text: &str| match binding {
        Binding::Http => percent::decode(&percent::unquoted(text)).into_owned(),
        Binding::Kafka | Binding::RabbitMq | Binding::Amqp => text.to_owned(),
    };
    let fields = ATTRIBUTES.into_iter().filter_map(|name| {
        let value = match attribute(&packet.attributes, prefix, name)? {
            Attribute::Text(text) => Value::String(decode(text)),
            Attribute::Number(number) => Value::Number(number.clone()),
            Attribute::List(list) => Value::Array(list.clone()),
        };
        Some((name, value))
    });
    let fields = Fields(fields.collect());
    fields.check_version()?;
    let payload = payload(&*packet.body, content_type(&packet.attributes), limits)?;
    Ok(Envelope::new(fields.metadata(carrier(packet))?, payload))
}

/// What bytes of this content type are as JSON.
fn payload(
    bytes: impl Into<Vec<u8>> + AsRef<[u8]>,
    content_type: Option<&str>,
    limits: EnvelopeLimits,
) -> Result<Value, CodecError> {
    if content_type.is_none_or(|content_type| is_json(media_type(content_type))) {
        let bytes = bytes.as_ref();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        limits.keys(usize::MAX).check(bytes)?;
        match serde_json::from_slice(bytes) {
            Ok(payload) => return Ok(payload),
            // Nobody has said that they are.
            Err(_) if content_type.is_none() => {}
            Err(error) => return Err(CodecError::DataNotJson { line: error.line(), column: error.column() }),
        }
    }
    let text = String::from_utf8(bytes.into()).unwrap_or_else(|error| BASE64.encode(error.as_bytes()));
    Ok(Value::String(text))
}

fn is_json(media_type: &str) -> bool {
    let (_, subtype) = media_type.split_once('/').unwrap_or_default();
    is(subtype, "json") || subtype.len() > 5 && subtype.get(subtype.len() - 5..).is_some_and(|end| is(end, "+json"))
}

/// Reads the JSON format: no more keys than there may be, and of those the ones that we know.
struct Event<'a> {
    keys: usize,
    too_many: &'a Cell<bool>,
}

/// What an event is about.
#[derive(Default)]
struct Data {
    json: Option<Value>,
    base64: Option<Value>,
}

impl<'de> Visitor<'de> for Event<'_> {
    type Value = (Fields, Data);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut fields, mut data) = (Fields(Vec::new()), Data::default());
        let mut count = 0;
        while let Some(key) = map.next_key::<Key>()? {
            count += 1;
            if count > self.keys {
                self.too_many.set(true);
                return Err(M::Error::custom("too many"));
            }
            // Of a key that is there twice the last counts, as in Python.
            match key {
                Key::Attribute(name) => {
                    let value = map.next_value()?;
                    fields.0.retain(|(known, _)| *known != name);
                    fields.0.push((name, value));
                }
                // Data that are `null` are data.
                Key::Data => data.json = Some(map.next_value()?),
                Key::Base64 => data.base64 = Some(map.next_value()?).filter(|value: &Value| !value.is_null()),
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        // What is said to be `null` and is there in the other form is not there twice.
        if data.base64.is_some() {
            data.json = data.json.filter(|json| !json.is_null());
        }
        Ok((fields, data))
    }
}

enum Key {
    Attribute(&'static str),
    Data,
    Base64,
    Unknown,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(match text {
                    "data" => Key::Data,
                    "data_base64" => Key::Base64,
                    name => ATTRIBUTES.into_iter().find(|known| *known == name).map_or(Key::Unknown, Key::Attribute),
                })
            }
        }

        deserializer.deserialize_str(Text)
    }
}
