//! What a route makes of an event: a packet for its publisher.
//!
//! `Route → Outward (its patterns, codec, key, …) → Envelope | a packet that was written before → Packet → Publisher`

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::fit;
use super::route::RouteError;
use crate::codec::{Codec, Wire};
use crate::transport::{Attribute, Demand, ErrorKind, Packet, Publisher, TransportError};
use crate::{Envelope, EnvelopeLimits, ListenError, Metadata, Pattern};

pub(super) type AttributeOf = Box<dyn Fn(&Envelope) -> Option<Attribute>>;
pub(super) type KeyOf = Box<dyn Fn(&Envelope) -> Option<String>>;
pub(super) type PriorityOf = Box<dyn Fn(&Envelope) -> u8>;

/// What a route does with an event.
pub(crate) struct Outward {
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(super) patterns: Vec<Pattern>,
    /// [`Wire`](struct@Wire) unless another was set.
    pub(super) codec: Option<Arc<dyn Codec>>,
    pub(crate) limits: EnvelopeLimits,
    pub(super) attributes: Vec<(String, AttributeOf)>,
    pub(super) key: Option<KeyOf>,
    pub(super) priority: Option<(u8, PriorityOf)>,
    pub(super) delay: Duration,
}

impl Outward {
    /// Looks whether anything of this publisher's can leave by it, and whether the server can do what is asked of it.
    pub(crate) fn check(&self, publisher: &str) -> Result<(), RouteError> {
        let name = self.publisher.name();
        let Some(first) = self.patterns.first() else { return Err(ListenError::NoPattern.into()) };
        // Some may be for other services, where all share one list.
        if !self.patterns.iter().any(|pattern| may_match(pattern, publisher)) {
            return Err(RouteError::NothingMatches { pattern: first.clone(), publisher: publisher.to_owned() });
        }
        let abilities = self.publisher.abilities();
        abilities.demand(name, Demand::Delay(self.delay))?;
        abilities.demand(name, Demand::Priority(self.priority.as_ref().map_or(0, |(highest, _)| *highest)))?;
        if self.key.is_some() {
            abilities.demand(name, Demand::Order)?;
        }
        let there = self.codec.as_ref().map_or(Wire.max_attributes(), |codec| codec.max_attributes());
        let there = there + self.attributes.len();
        let limit = abilities.max_attributes.min(self.limits.max_keys());
        if there > limit {
            let or = if limit < abilities.max_attributes {
                ", or raise `keys` of the limits here and of the workers"
            } else {
                ""
            };
            let text = format!(
                "events would have {there} attributes, and {limit} are allowed: take fewer routing keys, or another codec{or}"
            );
            return Err(TransportError::new(ErrorKind::Unsupported, name, text).into());
        }
        Ok(())
    }

    /// Whether an event of this name, `publisher/event`, leaves by it.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether it makes of an event what [`Wire`](struct@Wire) has made of it before.
    pub(crate) fn passes_on(&self) -> bool {
        self.codec.is_none() && self.attributes.is_empty() && self.key.is_none() && self.priority.is_none()
    }

    /// Makes a packet of one that [passes](Self::passes_on) and that [`Wire`](struct@Wire) has written.
    ///
    /// # Errors
    ///
    /// `TooLarge` if no worker with these limits would read it.
    pub(crate) fn pass_on(&self, mut packet: Packet) -> Result<Packet, TransportError> {
        packet.delay = self.delay;
        fit::check_written(self.publisher.name(), &packet, self.limits)?;
        Ok(packet)
    }

    /// Makes a packet of an event that others hear too: it is copied only for those who look at the whole of it.
    ///
    /// # Errors
    ///
    /// Those of [`pack`](Self::pack).
    pub(super) fn pack_shared(&self, metadata: &Metadata, payload: &Value) -> Result<Packet, TransportError> {
        if !self.passes_on() {
            return self.pack(Envelope::new(metadata.clone(), payload.clone()));
        }
        let mut packet = Wire.write_parts(metadata, payload);
        packet.delay = self.delay;
        fit::check(self.publisher.name(), &packet, payload, self.limits)?;
        Ok(packet)
    }

    /// Makes a packet of one that [passes](Self::passes_on), and whose payload was written before, as JSON.
    ///
    /// # Errors
    ///
    /// Those of [`pack`](Self::pack).
    pub(super) fn pack_written(&self, metadata: &Metadata, payload: &[u8]) -> Result<Packet, TransportError> {
        self.pass_on(Wire.write_around(metadata, payload))
    }

    /// Makes a packet of an event that leaves by this route.
    ///
    /// # Errors
    ///
    /// `TooLarge` if no worker with these limits would read it.
    pub(crate) fn pack(&self, envelope: Envelope) -> Result<Packet, TransportError> {
        let mut packet = self.codec.as_ref().map_or_else(|| Wire.write(&envelope), |codec| codec.write(&envelope));
        for (name, value) in &self.attributes {
            if let Some(value) = value(&envelope) {
                packet.attributes.insert(name.clone(), value);
            }
        }
        packet.key = self.key.as_ref().and_then(|key| key(&envelope));
        packet.priority = self.priority.as_ref().map_or(0, |(highest, priority)| priority(&envelope).min(*highest));
        packet.delay = self.delay;
        fit::check(self.publisher.name(), &packet, &envelope.payload, self.limits)?;
        Ok(packet)
    }
}

/// Whether an event of this publisher can have a name that a pattern matches.
fn may_match(pattern: &Pattern, publisher: &str) -> bool {
    let mut wanted = pattern.as_str().split('/');
    for segment in publisher.split('/') {
        match wanted.next() {
            Some("**") => return true,
            Some("*") => {}
            Some(other) if other == segment => {}
            _ => return false,
        }
    }
    // The event's name is still to come.
    wanted.next().is_some()
}
