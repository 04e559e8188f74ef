//! How full a queue is.

use std::time::Duration;

/// How full a queue is, at one moment. What the server does not tell is `None`.
///
/// SQLite and PostgreSQL count each up to 10,000, which stands for that many or more. Redis, RabbitMQ, SQS and a queue in memory know their
/// numbers; those of SQS are approximate, as SQS says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueFigures {
    /// The name by which it is asked for: the queue, and behind a `/` the group of subscribers, if it has a name of its own, as in
    /// `orders/billing`. Each group has figures of its own.
    pub name: String,
    /// How many packets wait and could be lent now, or when what is before them of their key is done. `None` as well where 10,000 are
    /// parked, for then nobody has counted those that are not.
    pub waiting: Option<u64>,
    /// How many packets are held back: they were published with a delay, or wait for another attempt.
    pub delayed: Option<u64>,
    /// How many packets are lent to workers.
    pub in_flight: Option<u64>,
    /// How many dead letters there are: in the queue of dead letters, which is named like this one with `-dead` behind it, and in
    /// their places. The groups of a stream of Redis have one queue of dead letters together.
    pub dead: Option<u64>,
    /// How many packets are parked behind dead letters in their places.
    pub parked: Option<u64>,
    /// For how long the packet that is next to be lent has been ready; by the clock of the server. `None` if nothing waits.
    pub oldest: Option<Duration>,
}

impl QueueFigures {
    /// Creates figures of which nothing is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}
