//! What a server can do, and what is asked of it.
//!
//! `worker and routes ask: Demand → Abilities → TransportError, before anything is sent`

use std::fmt;
use std::time::Duration;

use super::error::{ErrorKind, TransportError};
use super::packet::Packet;

/// What a transport can do beyond the contract. The default can do nothing beyond it, and has no limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// The longest time for which the server can hold a packet back when it is published; `None` if it cannot.
    pub delay: Option<Duration>,
    /// The longest wait before a delivery comes again; `None` if the server cannot hold it back, and it comes again at
    /// once.
    pub retry_after: Option<Duration>,
    /// Whether packets of the same key are delivered one after the other, in the order in which one publisher handed
    /// them over. The next packet of a key then follows only when the one before it is settled for good.
    pub order: bool,
    /// Whether one [`publish`](super::Publisher::publish) never takes a packet after it has failed to take an earlier one
    /// of the same key, for now or for good; but for what [`check`](Self::check) refuses, which a route and a relay ask
    /// before. A server that takes all packets of a call or none has this ability. If a server
    /// does not, a route hands over the next packet of a key only when the server has the one before.
    pub takes_in_order: bool,
    /// Whether the server supports several groups of subscribers, of which each gets every packet.
    pub fan_out: bool,
    /// The highest priority that the server knows; 0 if it knows none.
    pub priority: u8,
    /// The largest size of a packet in bytes, as [`Packet::bytes`] counts.
    pub max_bytes: usize,
    /// The largest number of attributes of a packet.
    pub max_attributes: usize,
    /// The largest number of packets in one request. More packets take several requests.
    pub max_batch: usize,
    /// Whether confirmed packets survive when the server is killed.
    pub durable: bool,
    /// Whether the server accepts a packet whose id it has had a moment ago, and does not deliver it again.
    pub deduplicates: bool,
    /// How long a delivery is lent before it comes again; `None` if it is lent for as long as the connection lives.
    pub lease: Option<Duration>,
    /// Whether dead deliveries have a queue to go to, even if the worker names none.
    pub dead_letters: bool,
    /// Whether a dead letter can stay in its place, so that what follows it with the same key is [parked](super::Parking)
    /// behind it. It needs `order`.
    pub park: bool,
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
            park: false,
        }
    }
}

/// An ability that not every server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// Hold packets back for up to this time.
    Delay(Duration),
    /// Deliver a failed delivery again after up to this time.
    RetryAfter(Duration),
    /// Deliver packets of the same key in order.
    Order,
    /// Give every packet to each of several groups.
    FanOut,
    /// Order packets by priorities up to this one.
    Priority(u8),
    /// Keep dead deliveries in a queue.
    DeadLetters,
    /// Park what follows a dead delivery with the same key.
    Park,
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
            Self::Park => f.write_str("park what follows a dead letter with the same key"),
        }
    }
}

impl Abilities {
    /// Returns whether the abilities include this demand.
    pub fn include(&self, demand: Demand) -> bool {
        match demand {
            Demand::Delay(by) => by.is_zero() || self.delay.is_some_and(|longest| by <= longest),
            Demand::RetryAfter(by) => by.is_zero() || self.retry_after.is_some_and(|longest| by <= longest),
            Demand::Order => self.order,
            Demand::FanOut => self.fan_out,
            Demand::Priority(to) => to <= self.priority,
            Demand::DeadLetters => self.dead_letters,
            Demand::Park => self.park && self.order,
        }
    }

    /// Checks that a transport with these abilities can do what you demand. `name` is the name of the transport in the
    /// error.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the transport cannot do it. The text names what it can do instead.
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

    /// Checks that a transport with these abilities takes a packet, before it is sent. `name` is the name of the
    /// transport in the error.
    ///
    /// # Errors
    ///
    /// `TooLarge` for the size or the number of attributes, `Unsupported` for the delay or the priority. A key is never
    /// an error: a transport without order only ignores it.
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
