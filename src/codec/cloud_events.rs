//! Writes events as CloudEvents 1.0.
//!
//! `Envelope → CloudEvents → Packet → any consumer of CloudEvents`

use std::fmt::Display;

use convoke_actors::__private::PublishDate;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::write::Codec;
use super::{percent, wire};
use crate::transport::{BINDING, Packet};
use crate::{Envelope, Metadata};

/// The content type of an event in the JSON format.
pub(super) const STRUCTURED: &str = "application/cloudevents+json";

/// What [`BINDING`] says of texts behind `ce-` that are as they are.
pub(super) const RABBITMQ: &str = "rabbitmq";

/// The attribute of that name says what the body is.
pub(super) const CONTENT_TYPE: &str = "content-type";

/// All that may stand in an event of ours beside its data, in the order in which we write it.
pub(super) const ATTRIBUTES: [&str; 17] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "traceparent",
    "tracestate",
    "entityname",
    "topic",
    "eventversion",
    "correlationid",
    "causationid",
    "containspersonaldata",
    "authorization",
    "eventunnamed",
];

/// A codec that writes events as CloudEvents 1.0, for consumers that speak this standard.
///
/// In *structured* mode, the JSON format, the body is the whole event. The attributes of the packet are `content-type`
/// and the three names that [`Wire`](struct@super::Wire) writes, so that servers can filter by them.
///
/// In *binary* mode the body is the payload alone. The attributes of the event are attributes of the packet, and
/// servers can filter by them. There may be 17 of them: more than SNS and SQS take.
///
/// | attribute | contains | left out |
/// |---|---|---|
/// | `id` | the id | |
/// | `source` | the publisher: after a `/`, and with escapes, unless it is a URI | never: `/` if it is empty |
/// | `type` | the event's name | never: the topic, and `eventunnamed`, if it is empty |
/// | `subject` | the entity's id | if there is none |
/// | `time` | the time | |
/// | `datacontenttype` | `application/json`; in binary mode it is the attribute `content-type` | |
/// | `traceparent`, `tracestate` | the trace | `tracestate` if it is empty |
/// | `entityname`, `topic` | the entity's name, the topic | if it is empty |
/// | `eventversion` | the version of the payload's shape | if it is 1 |
/// | `correlationid` | the correlation | if it is the id |
/// | `causationid` | the cause | if there is none |
/// | `containspersonaldata` | `true` | if it does not |
/// | `authorization` | the authorization | if there is none |
///
/// The attributes from `traceparent` on are extensions. [`read`](super::read) understands all of these attributes, from
/// any producer. It ignores attributes that it does not know, and gives a missing one the default of [`Metadata`].
///
/// - An `id` that is not a UUID becomes one: always the same UUID for the same `source` and `id`.
/// - `time` may also be a number, as in a header of AMQP: seconds since 1970, or milliseconds if the number is too
///   large for seconds.
/// - `data` is the payload as it is.
/// - `data_base64`, and a body in binary mode, are read as JSON if their content type says so, or if they have no
///   content type and are valid JSON. Otherwise the payload is text: the bytes as UTF-8, or their Base64 if they are
///   not UTF-8.
///
/// ```
/// use convoke::codec::{self, CloudEvents, Codec};
/// use convoke::{Envelope, EnvelopeLimits, Metadata};
/// use serde_json::json;
///
/// let envelope = Envelope::new(Metadata::new("UserRegistered"), json!({"userId": 17}));
/// let packet = CloudEvents::structured().write(&envelope);
/// assert_eq!(packet.attributes.text("content-type"), Some("application/cloudevents+json"));
/// assert_eq!(codec::read(&packet, EnvelopeLimits::default())?, envelope);
///
/// let packet = CloudEvents::binary().write(&envelope);
/// assert_eq!(packet.attributes.text("ce-type"), Some("UserRegistered"));
/// assert_eq!(packet.body, br#"{"userId":17}"#);
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudEvents {
    binary: Option<Binding>,
}

/// How attributes are written in binary mode. CloudEvents has a protocol binding for each way, and
/// [`read`](super::read) reads all of them.
///
/// HTTP and RabbitMQ use the same prefix, but only HTTP escapes values, and a value does not show whether it is
/// escaped. So this crate writes an attribute of its own, `convoke-binding`, beside the attributes for RabbitMQ. What
/// another producer sends over RabbitMQ is read as the RabbitMQ binding has it. If you can choose, take the structured
/// mode over RabbitMQ: there each text has only one form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// As for HTTP and NATS: the prefix `ce-`, as in `ce-type`, and `%XX` for characters that a header may not have.
    /// Any server can carry this.
    #[default]
    Http,
    /// As for Kafka: the prefix `ce_`, as in `ce_type`, and values that are not escaped.
    Kafka,
    /// As for RabbitMQ: the prefix `ce-`, as in `ce-type`, and values that are not escaped. This binding has one
    /// attribute more than the others: `convoke-binding`.
    RabbitMq,
    /// As for AMQP 1.0: the prefix `cloudEvents:`, as in `cloudEvents:type`, and values that are not escaped. The
    /// prefix `cloudEvents_` is read too.
    Amqp,
}

impl Binding {
    /// What stands before the name of an attribute.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Http | Self::RabbitMq => "ce-",
            Self::Kafka => "ce_",
            Self::Amqp => "cloudEvents:",
        }
    }
}

impl CloudEvents {
    /// Returns a codec for the structured mode: it writes the whole event into the body.
    pub const fn structured() -> Self {
        Self { binary: None }
    }

    /// Returns a codec for the binary mode: it writes the payload into the body and everything else into attributes, as
    /// the binding for HTTP has it.
    pub const fn binary() -> Self {
        Self::binary_as(Binding::Http)
    }

    /// Returns a codec for the binary mode: it writes the payload into the body and everything else into attributes, as
    /// this binding has it.
    pub const fn binary_as(binding: Binding) -> Self {
        Self { binary: Some(binding) }
    }
}

impl Codec for CloudEvents {
    fn write(&self, envelope: &Envelope) -> Packet {
        let metadata = &envelope.metadata;
        let mut packet = Packet::new(metadata.id.to_string(), Vec::new());
        packet.topic = metadata.topic.to_string();
        match self.binary {
            None => {
                packet.body = to_vec(&Structured(envelope));
                packet.attributes = wire::names(metadata);
                packet.attributes.insert(CONTENT_TYPE, STRUCTURED);
            }
            Some(binding) => {
                packet.body = to_vec(&envelope.payload);
                write_attributes(metadata, |name, value| {
                    let value = value.to_string();
                    match name {
                        "datacontenttype" => packet.attributes.insert(CONTENT_TYPE, value),
                        name => {
                            let value = match binding {
                                Binding::Http => percent::encode(&value, percent::IN_HEADER).into_owned(),
                                Binding::Kafka | Binding::RabbitMq | Binding::Amqp => value,
                            };
                            packet.attributes.insert(format!("{}{name}", binding.prefix()), value)
                        }
                    };
                    Ok::<(), std::convert::Infallible>(())
                })
                .unwrap_or_else(|never| match never {});
                if binding == Binding::RabbitMq {
                    packet.attributes.insert(BINDING, RABBITMQ);
                }
            }
        }
        packet
    }

    fn max_attributes(&self) -> usize {
        match self.binary {
            None => wire::NAMES + 1,
            Some(Binding::RabbitMq) => ATTRIBUTES.len() + 1,
            Some(Binding::Http | Binding::Kafka | Binding::Amqp) => ATTRIBUTES.len(),
        }
    }
}

fn to_vec(json: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(json) {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("a `Value` has only text as keys, attributes are text, and a `Vec` takes it"),
    }
}

/// An event in the JSON format.
struct Structured<'a>(&'a Envelope);

impl Serialize for Structured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Envelope { metadata, payload } = self.0;
        let mut event = serializer.serialize_map(None)?;
        write_attributes(metadata, |name, value| match name {
            // The type system of CloudEvents has these two; its integers have 32 bits and a sign.
            "containspersonaldata" | "eventunnamed" => event.serialize_entry(name, &true),
            "eventversion" if i32::try_from(metadata.version).is_ok() => event.serialize_entry(name, &metadata.version),
            _ => event.serialize_entry(name, &format_args!("{value}")),
        })?;
        event.serialize_entry::<str, Value>("data", payload)?;
        event.end()
    }
}

/// Calls `write` for each attribute that the event has, in the order of [`ATTRIBUTES`].
fn write_attributes<E>(
    metadata: &Metadata,
    mut write: impl FnMut(&'static str, &dyn Display) -> Result<(), E>,
) -> Result<(), E> {
    let unnamed = metadata.event.is_empty();
    write("specversion", &"1.0")?;
    write("id", &metadata.id)?;
    write("source", &source(&metadata.publisher))?;
    match (unnamed, metadata.topic.is_empty()) {
        (false, _) => write("type", &metadata.event)?,
        (true, false) => write("type", &metadata.topic)?,
        // It may not be empty.
        (true, true) => write("type", &"-")?,
    }
    if let Some(id) = &metadata.entity_id {
        write("subject", id)?;
    }
    write("time", &PublishDate(metadata.time))?;
    write("datacontenttype", &"application/json")?;
    write("traceparent", &metadata.trace)?;
    for (name, text) in
        [("tracestate", metadata.trace.state()), ("entityname", &metadata.entity), ("topic", &metadata.topic)]
    {
        if !text.is_empty() {
            write(name, &text)?;
        }
    }
    if metadata.version != 1 {
        write("eventversion", &metadata.version)?;
    }
    if metadata.correlation != metadata.id {
        write("correlationid", &metadata.correlation)?;
    }
    if let Some(cause) = &metadata.causation {
        write("causationid", cause)?;
    }
    if metadata.contains_personal_data {
        write("containspersonaldata", &true)?;
    }
    if !metadata.authorization.is_empty() {
        write("authorization", &metadata.authorization.expose())?;
    }
    if unnamed {
        write("eventunnamed", &true)?;
    }
    Ok(())
}

/// The publisher as a reference to where it is: `/` before its name, unless it is a URI already.
fn source(publisher: &str) -> String {
    if percent::is_uri(publisher) {
        publisher.to_owned()
    } else {
        format!("/{}", percent::encode(publisher, percent::IN_PATH))
    }
}
