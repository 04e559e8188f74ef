//! Reads an event in whichever form it is.
//!
//! `Packet → is it within the limits? → mode.rs: which form? → Envelope`

use convoke_actors::__private::Carrier;

use super::cloud_event;
use super::error::CodecError;
use super::mode::{Mode, mode};
use crate::transport::Packet;
use crate::{Envelope, EnvelopeError, EnvelopeLimits};

/// Reads an event from a packet, in any form that this crate knows.
///
/// The form is recognized by the first rule that applies:
///
/// 1. A `content-type` of `application/cloudevents+json` says that the body is a CloudEvent.
/// 2. An attribute `specversion` with one of the prefixes of a [`Binding`](super::Binding) says that the attributes are
///    a CloudEvent.
/// 3. A body with an object `metadata` is an [`Envelope`]: no attribute of a CloudEvent is an object.
/// 4. A body with a `specversion` is a CloudEvent.
///
/// An event whose id is not a UUID gets one that is derived from its publisher and the id that it has. The derived id
/// is the same whenever the event is read, so that duplicates are recognized. An event without an id takes the id of
/// the packet. If the packet has no id either, as a message to RabbitMQ without a `message_id`, the event gets a new id
/// each time it is read, and is never recognized as a duplicate.
///
/// Attributes of the packet that do not belong to the event are ignored: you still find them in the packet. The limit
/// `bytes` holds for the body and all attributes together, and the limit `keys` also for the number of attributes.
///
/// # Errors
///
/// Returns an error if the packet exceeds a limit or is no event. No error quotes what was read.
pub fn read(packet: &Packet, limits: EnvelopeLimits) -> Result<Envelope, CodecError> {
    check_attributes(packet, limits)?;
    match mode(&packet.attributes)? {
        Some(Mode::Structured) => cloud_event::read_structured(packet, limits),
        Some(Mode::Binary { prefix, binding }) => cloud_event::read_binary(packet, prefix, binding, limits),
        None => match Envelope::from_carrier(&packet.body, limits, carrier(packet)) {
            Err(EnvelopeError::NoMetadata) => match cloud_event::read_structured(packet, limits) {
                Err(CodecError::NoEvent) => Err(EnvelopeError::NoMetadata.into()),
                read => read,
            },
            read => Ok(read?),
        },
    }
}

/// Whose id is that of an event without one.
pub(super) fn carrier(packet: &Packet) -> Carrier<'_> {
    Carrier { id: &packet.id, body: &packet.body }
}

pub(crate) fn check_attributes(packet: &Packet, limits: EnvelopeLimits) -> Result<(), CodecError> {
    if packet.attributes.len() > limits.max_keys() {
        return Err(CodecError::TooManyAttributes { limit: limits.max_keys() });
    }
    match packet.bytes() {
        bytes if bytes > limits.max_bytes() => Err(CodecError::TooLarge { bytes, limit: limits.max_bytes() }),
        _ => Ok(()),
    }
}
