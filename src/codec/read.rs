//! Reads an event in whichever form it is.
//!
//! `Packet → is it within the limits? → mode.rs: which form? → Envelope`

use convoke_actors::__private::Carrier;

use super::cloud_event;
use super::error::CodecError;
use super::mode::{Mode, mode};
use crate::transport::Packet;
use crate::{Envelope, EnvelopeError, EnvelopeLimits};

/// Reads an event, in whichever of our forms it is.
///
/// 1. A `content-type` of `application/cloudevents+json` says that the body is a CloudEvent.
/// 2. An attribute `specversion` with one of the prefixes of a [`Binding`](super::Binding) says that the attributes are one.
/// 3. A body with an object `metadata` is an [`Envelope`]: in a CloudEvent no attribute is an object.
/// 4. A body with a `specversion` is a CloudEvent.
///
/// An event whose id is no UUID has one made of its publisher and of what it has: the same whenever it is read, so that it is
/// known again. One without an id has that of the packet. If that has none either, as in a message to RabbitMQ without a
/// `message_id`, the event has a new id each time, and is never taken for one that was done.
///
/// Attributes that are none of the event's are left alone: they are still in the packet. `bytes` of the limits holds for
/// the body and all attributes together, `keys` for the attributes too.
///
/// # Errors
///
/// If the packet is beyond a limit, or is no event. No error quotes what was read.
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
