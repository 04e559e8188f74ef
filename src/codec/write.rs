//! Who writes events for other processes.
//!
//! `Envelope → Codec → Packet`

use crate::Envelope;
use crate::transport::Packet;

/// Writes events for other processes. [`Wire`](struct@super::Wire) is the default.
///
/// What a route adds, such as attributes to filter by, a key or a delay, it adds to the packet afterwards: no codec takes
/// attributes away.
pub trait Codec: Send + Sync + 'static {
    /// Makes a packet of an event: its body, its attributes, its id and its topic.
    fn write(&self, envelope: &Envelope) -> Packet;

    /// Returns how many attributes it gives to a packet at most, so that whoever joins it to a server can tell whether
    /// there is room.
    fn max_attributes(&self) -> usize;
}
