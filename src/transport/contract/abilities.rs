//! What a server can do, and what is asked of it.
//!
//! `worker and routes ask: Demand → Abilities → TransportError, before anything is sent`

use std::fmt;
use std::time::Duration;

use super::error::{ErrorKind, TransportError};
use super::packet::Packet;

/// What a transport can do. The default is one that can do nothing beyond the contract, without limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// The longest time that a packet can be held back when it is published; `None` if it cannot be.
    pub delay: Option<Duration>,
    /// The longest time after which a delivery can come again; `None` if it cannot be held back, and comes at once.
    pub retry_after: Option<Duration>,
    /// Whether packets of one key are delivered one after the other, in the order in which one publisher handed them over:
    /// nothing of a key follows before what came first is settled for good.
    pub order: bool,
    /// Whether one [`publish`](super::Publisher::publish) takes no packet behind one of its key that it could not take for now,
    /// as one does that takes all or none. Where this is not so, a route hands over the next of a key when the server has
    /// the one before.
    pub takes_in_order: bool,
    /// Whether several groups of subscribers each get everything.
    pub fan_out: bool,
    /// The highest priority; 0 if there are none.
    pub priority: u8,
    /// How many bytes a packet may have, as [`Packet::bytes`] counts.
    pub max_bytes: usize,
    /// How many attributes a packet may have.
    pub max_attributes: usize,
    /// How many packets go in one request; more are several.
    pub max_batch: usize,
    /// Whether what was confirmed is still there after the server was killed.
    pub durable: bool,
    /// Whether a packet whose id was there a moment ago is taken, and not delivered again.
    pub deduplicates: bool,
    /// For how long a delivery is lent before it comes again; `None` if for as long as the connection lives.
    pub lease: Option<Duration>,
    /// Whether a delivery that is dead has a queue to go to, without the worker naming one.
    pub dead_letters: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            delay: None,
            retry_after: None,
            order: false,
            takes_in_order: false,
            fan_out: false,
            priority: 0,
            max_bytes: usize::MAX,
            max_attributes: usize::MAX,
            max_batch: usize::MAX,
            durable: false,
            deduplicates: false,
            lease: None,
            dead_letters: false,
        }
    }
}

/// Something that not every server can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// Packets are held back for up to this long.
    Delay(Duration),
    /// A delivery that failed comes again after up to this long.
    RetryAfter(Duration),
    /// Packets of one key come in order.
    Order,
    /// Several groups each get everything.
    FanOut,
    /// Packets have priorities up to this one.
    Priority(u8),
    /// What is dead has a queue to go to.
    DeadLetters,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(by) => write!(f, "hold a packet back for {by:?}"),
            Self::RetryAfter(by) => write!(f, "deliver again after {by:?}"),
            Self::Order => f.write_str("keep the order of a key"),
            Self::FanOut => f.write_str("give each of several groups everything"),
            Self::Priority(to) => write!(f, "tell priorities up to {to} apart"),
            Self::DeadLetters => f.write_str("keep dead letters of its own"),
        }
    }
}

impl Abilities {
    /// Whether this is among them.
    pub fn include(&self, demand: Demand) -> bool {
        match demand {
            Demand::Delay(by) => by.is_zero() || self.delay.is_some_and(|longest| by <= longest),
            Demand::RetryAfter(by) => by.is_zero() || self.retry_after.is_some_and(|longest| by <= longest),
            Demand::Order => self.order,
            Demand::FanOut => self.fan_out,
            Demand::Priority(to) => to <= self.priority,
            Demand::DeadLetters => self.dead_letters,
        }
    }

    /// Asks the transport of this name for something.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it cannot do it; the text says what it can.
    pub fn demand(&self, name: &str, demand: Demand) -> Result<(), TransportError> {
        if self.include(demand) {
            return Ok(());
        }
        let limit = match demand {
            Demand::Delay(_) => self.delay.map(|longest| format!(", only for {longest:?}")),
            Demand::RetryAfter(_) => self.retry_after.map(|longest| format!(", only after {longest:?}")),
            Demand::Priority(_) if self.priority > 0 => Some(format!(", only up to {}", self.priority)),
            _ => None,
        };
        let without = match (demand, self.retry_after) {
            (Demand::RetryAfter(_), Some(longest)) => format!("`.max_delay({longest:?})` of its `Retry`"),
            (Demand::RetryAfter(_), None) => "`Retry::never()`".to_owned(),
            _ => "do without".to_owned(),
        };
        let text = format!("it cannot {demand}{}: take another server, or {without}", limit.unwrap_or_default());
        Err(TransportError::new(ErrorKind::Unsupported, name, text))
    }

    /// Looks whether the transport of this name takes a packet, before it is sent.
    ///
    /// # Errors
    ///
    /// `TooLarge` for its bytes or attributes, `Unsupported` for its delay or priority. A key where there is no order is
    /// none: it is only not kept.
    pub fn check(&self, name: &str, packet: &Packet) -> Result<(), TransportError> {
        self.demand(name, Demand::Delay(packet.delay))?;
        self.demand(name, Demand::Priority(packet.priority))?;
        let too_large = |text| Err(TransportError::new(ErrorKind::TooLarge, name, text));
        if packet.attributes.len() > self.max_attributes {
            let (there, limit) = (packet.attributes.len(), self.max_attributes);
            return too_large(format!(
                "a packet has {there} attributes, and {limit} are allowed: use fewer routing keys"
            ));
        }
        let bytes = packet.bytes();
        if bytes > self.max_bytes {
            let limit = self.max_bytes;
            return too_large(format!(
                "a packet has {bytes} bytes, and {limit} are allowed: send a reference to what is large"
            ));
        }
        Ok(())
    }
}
