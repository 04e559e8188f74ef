//! Whether those who are to read an event can: what leaves is within the limits of the workers behind the server.
//!
//! `route.rs: Packet, payload → check → Publisher`

use serde_json::Value;

use crate::codec::{CodecError, check_attributes};
use crate::transport::{ErrorKind, Packet, TransportError};
use crate::{EnvelopeError, EnvelopeLimits};

/// Looks whether a worker with these limits reads what a codec has made of this payload.
///
/// # Errors
///
/// `TooLarge` for its bytes, its attributes or its depth: a worker would make a dead letter of it.
pub(crate) fn check(at: &str, packet: &Packet, payload: &Value, limits: EnvelopeLimits) -> Result<(), TransportError> {
    within(packet, payload, limits).map_err(|error| unreadable(at, "of the route and of its workers", &error))
}

/// The same of an event that is kept before anybody reads it; `whose` limits these are.
///
/// # Errors
///
/// Those of [`check`].
pub(crate) fn check_kept(
    at: &str,
    packet: &Packet,
    payload: &Value,
    limits: EnvelopeLimits,
    whose: &str,
) -> Result<(), TransportError> {
    within(packet, payload, limits).map_err(|error| unreadable(at, whose, &error))
}

/// The same of a packet that was written before, by its bytes alone.
///
/// # Errors
///
/// Those of [`check`].
pub(crate) fn check_written(at: &str, packet: &Packet, limits: EnvelopeLimits) -> Result<(), TransportError> {
    let read = check_attributes(packet, limits).and_then(|()| Ok(limits.check(&packet.body)?));
    read.map_err(|error| unreadable(at, "of the route and of its workers", &error))
}

fn within(packet: &Packet, payload: &Value, limits: EnvelopeLimits) -> Result<(), CodecError> {
    check_attributes(packet, limits)?;
    match limits.max_depth() {
        // The body is the first of them; codecs that have no body around the payload allow for one more.
        limit if is_deeper(payload, limit.saturating_sub(1)) => Err(EnvelopeError::TooDeep { limit }.into()),
        _ => Ok(()),
    }
}

/// `whose` limits would have to be raised.
fn unreadable(at: &str, whose: &str, error: &CodecError) -> TransportError {
    let text = format!("no worker with these limits would read it: {error} {whose}");
    TransportError::new(ErrorKind::TooLarge, at, text)
}

/// Whether more objects and arrays than these stand in one another.
fn is_deeper(value: &Value, than: usize) -> bool {
    let Some(inner) = than.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper(value, inner)),
        Value::Object(values) => values.values().any(|value| is_deeper(value, inner)),
        _ => false,
    }
}
