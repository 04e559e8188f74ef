//! By what an event is known, so that its copies are one and what only bears the same id is another.
//!
//! `publisher, id → Metadata::identity → an inbox`, `an id that is no UUID → derived → Metadata::id`

use std::iter::once;

use uuid::Uuid;

use super::metadata::Metadata;

impl Metadata {
    /// Returns the text that identifies this event: the same for each copy of the event, and another for every other
    /// event.
    ///
    /// Publisher and id identify an event together, as in CloudEvents: two services may both count from 1. A worker
    /// looks this text up in its inbox and records it there. Use the same text in a listener that records handled
    /// events itself. The text is the id, followed by a digest of the publisher unless the publisher is empty. It has
    /// at most 53 characters, and contains no personal data.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::Metadata;
    ///
    /// let mut one = Metadata::new("OrderPlaced");
    /// assert_eq!(one.identity(), one.id.to_string());
    /// one.publisher = "Shop".into();
    /// let mut other = one.clone();
    /// assert_eq!(one.identity(), other.identity());
    /// other.publisher = "Market".into();
    /// assert_ne!(one.identity(), other.identity());
    /// ```
    pub fn identity(&self) -> String {
        match self.known_by() {
            (id, 0) => id.to_string(),
            (id, publisher) => format!("{id}@{publisher:016x}"),
        }
    }

    /// The same as numbers.
    pub(crate) fn known_by(&self) -> (Uuid, u64) {
        let digest = if self.publisher.is_empty() { 0 } else { fnv(self.publisher.bytes()) as u64 };
        (self.id, digest)
    }
}

/// Returns an id for an event whose own id is not a UUID. It is the same for the same `publisher` and `id`, which
/// identify an event together.
///
/// The id is made by FNV-1a, which resists no attack: a sender that wants two ids to be equal can send the same id
/// anyway.
pub fn derived(publisher: &str, id: &[u8]) -> Uuid {
    let hash = fnv(publisher.bytes().chain(once(0xff)).chain(id.iter().copied()));
    // Version 8: made in a way of one's own.
    Uuid::from_u128(hash & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
}

/// The packet in which an event without an id arrives. The id of the packet serves as the id of the event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carrier<'a> {
    /// The id of the packet; empty if the packet has none.
    pub id: &'a str,
    /// The body of the packet. The event's id is made of the packet's id and body, unless the packet's id is a UUID:
    /// ids of packets are unique only within one queue, and an inbox may serve several queues.
    pub body: &'a [u8],
}

impl Carrier<'_> {
    /// Returns the id of the event, or `None` if the packet has no id. Without an id, nobody can tell whether the next
    /// packet that looks the same carries the same event.
    pub fn event_id(&self, publisher: &str) -> Option<Uuid> {
        if self.id.is_empty() {
            return None;
        }
        let made = || derived(publisher, &[self.id.as_bytes(), &[0xff], self.body].concat());
        Some(Uuid::try_parse(self.id).unwrap_or_else(|_| made()))
    }
}

fn fnv(bytes: impl Iterator<Item = u8>) -> u128 {
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}
