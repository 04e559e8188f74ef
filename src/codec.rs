//! How an event becomes bytes and attributes, and back.
//!
//! `Envelope → Codec → Packet → transport/`, `transport/ → Packet → read → Envelope → worker.rs`

use std::fmt;

use crate::transport::Packet;
use crate::{Envelope, EnvelopeError, EnvelopeLimits};

/// Writes events for other processes. [`Wire`] is the default.
pub trait Codec: Send + Sync + 'static {
    /// Makes a packet of an event: its body, its attributes, its id and its topic.
    fn write(&self, envelope: &Envelope) -> Packet;
}

/// The form that services of this kind speak: the body is the [`Envelope`], and the attributes `entityName`,
/// `publisherName` and `eventName` stand beside it, each unless it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire;

impl Codec for Wire {
    fn write(&self, envelope: &Envelope) -> Packet {
        let metadata = &envelope.metadata;
        let mut packet = Packet::new(metadata.id.to_string(), envelope.to_vec());
        packet.topic = metadata.topic.to_string();
        let names = [
            ("entityName", metadata.entity.as_str()),
            ("publisherName", &*metadata.publisher),
            ("eventName", metadata.event.as_str()),
        ];
        // SQS refuses a text that is empty.
        for (name, value) in names.into_iter().filter(|(_, value)| !value.is_empty()) {
            packet.attributes.insert(name, value);
        }
        packet
    }
}

/// Reads an event, in whichever of our forms it is.
///
/// # Errors
///
/// If the body is beyond a limit, or is no event. No error quotes what was read.
pub fn read(packet: &Packet, limits: EnvelopeLimits) -> Result<Envelope, CodecError> {
    Envelope::from_slice_within(&packet.body, limits).map_err(CodecError::Envelope)
}

/// A packet is no event. What it says is in no message, for it may be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// Its body is no envelope.
    Envelope(EnvelopeError),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Envelope(error) => Some(error),
        }
    }
}
