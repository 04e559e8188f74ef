//! The form that services of this kind speak among each other.
//!
//! `Envelope → {"metadata": …, "payload": …} and three names → Packet`

use super::Codec;
use crate::transport::{Attributes, Packet};
use crate::{Envelope, Metadata};

/// How many names stand beside a body.
pub(super) const NAMES: usize = 3;

/// The form that services of this kind speak: the body is the [`Envelope`], and the attributes `entityName`,
/// `publisherName` and `eventName` stand beside it, each unless it is empty.
///
/// ```
/// use convoke::codec::{self, Codec, Wire};
/// use convoke::{Envelope, EnvelopeLimits, Metadata};
/// use serde_json::json;
///
/// let envelope = Envelope::new(Metadata::new("UserRegistered"), json!({"userId": 17}));
/// let packet = Wire.write(&envelope);
/// assert_eq!(packet.attributes.text("eventName"), Some("UserRegistered"));
/// assert_eq!(codec::read(&packet, EnvelopeLimits::default())?, envelope);
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire;

impl Codec for Wire {
    fn write(&self, envelope: &Envelope) -> Packet {
        let mut packet = Packet::new(envelope.metadata.id.to_string(), envelope.to_vec());
        packet.topic = envelope.metadata.topic.to_string();
        packet.attributes = names(&envelope.metadata);
        packet
    }

    fn max_attributes(&self) -> usize {
        NAMES
    }
}

/// What servers filter by.
pub(super) fn names(metadata: &Metadata) -> Attributes {
    let names = [
        ("entityName", metadata.entity.as_str()),
        ("publisherName", &*metadata.publisher),
        ("eventName", metadata.event.as_str()),
    ];
    // SQS refuses a text that is empty.
    names.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
