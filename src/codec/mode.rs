//! Whether a packet is a CloudEvent, and where in it the event stands.
//!
//! `Attributes → content type, prefixes → Mode → cloud_event.rs`

use super::cloud_events::{Binding, RABBITMQ, STRUCTURED};
use super::error::CodecError;
use crate::transport::{Attribute, Attributes, BINDING};

/// The prefixes of attributes that are those of an event.
const PREFIXES: [(&str, Binding); 4] =
    [("ce-", Binding::Http), ("ce_", Binding::Kafka), ("cloudEvents:", Binding::Amqp), ("cloudEvents_", Binding::Amqp)];

/// Where an event stands in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Structured,
    Binary { prefix: &'static str, binding: Binding },
}

/// Tells from the attributes whether and where there is one.
pub(super) fn mode(attributes: &Attributes) -> Result<Option<Mode>, CodecError> {
    let media_type = content_type(attributes).map(media_type).unwrap_or_default();
    if is(media_type, STRUCTURED) {
        return Ok(Some(Mode::Structured));
    }
    // Other formats, and batches.
    if media_type.get(..23).is_some_and(|begin| is(begin, "application/cloudevents")) {
        return Err(CodecError::Format);
    }
    let specversion = |(prefix, _): &&(&str, _)| attribute(attributes, prefix, "specversion").is_some();
    Ok(PREFIXES.iter().find(specversion).map(|&(prefix, binding)| {
        let as_it_is = matches!(attribute(attributes, "", BINDING), Some(Attribute::Text(text)) if is(text, RABBITMQ));
        let binding = if binding == Binding::Http && as_it_is { Binding::RabbitMq } else { binding };
        Mode::Binary { prefix, binding }
    }))
}

/// The attribute that says what the body is: headers are written in many ways.
pub(super) fn content_type(attributes: &Attributes) -> Option<&str> {
    let means = |name: &str| {
        let letters = name.bytes().filter(|byte| *byte != b'-' && *byte != b'_');
        letters.map(|byte| byte.to_ascii_lowercase()).eq(b"contenttype".iter().copied())
    };
    let (_, value) = attributes.iter().find(|(name, _)| means(name))?;
    match value {
        Attribute::Text(text) => Some(text),
        _ => None,
    }
}

/// A content type without its parameters.
pub(super) fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

pub(super) fn is(text: &str, other: &str) -> bool {
    text.eq_ignore_ascii_case(other)
}

/// An attribute of the event among those of a packet. Headers may come in another case than they were written in.
pub(super) fn attribute<'a>(attributes: &'a Attributes, prefix: &str, name: &str) -> Option<&'a Attribute> {
    let is_it = |found: &str| {
        found.len() == prefix.len() + name.len()
            && found.get(..prefix.len()).is_some_and(|begin| is(begin, prefix))
            && found.get(prefix.len()..).is_some_and(|end| is(end, name))
    };
    attributes.iter().find(|(found, _)| is_it(found)).map(|(_, value)| value)
}
