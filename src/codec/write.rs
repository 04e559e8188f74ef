//! Who writes events for other processes.
//!
//! `Envelope → Codec → Packet`

use crate::Envelope;
use crate::transport::Packet;

/// A codec writes events for other processes. [`Wire`](struct@super::Wire) is the default.
///
/// A route adds its attributes, its key and its delay to the packet after the codec has written it. A codec therefore
/// cannot take them away.
pub trait Codec: Send + Sync + 'static {
    /// Writes an event as a packet, with its body, attributes, id and topic.
    fn write(&self, envelope: &Envelope) -> Packet;

    /// Returns the largest number of attributes that this codec gives to a packet. A [`Route`](crate::Route) uses it to
    /// check that the server has room for them.
    fn max_attributes(&self) -> usize;
}
