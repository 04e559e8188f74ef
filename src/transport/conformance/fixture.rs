//! What the suite has to know of a transport: how to make a queue that nobody else uses, and its server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::transport::{BoxFuture, Publisher, Source, TransportError};

/// A transport as the suite uses it. The suite asks one fixture for a new channel in each case.
pub trait Fixture: Send + Sync {
    /// Returns the name of the transport in the table, as in `redis`.
    fn name(&self) -> &str;

    /// Creates a channel that is empty and that nobody else uses.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the transport cannot create such a channel. The case is then not applicable, and the table says
    /// so.
    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>>;

    /// Deletes everything in the channel of this name at the server, bypassing the transport and including what is
    /// lent. Returns `None` where nobody can do that, which is the default.
    fn delete_all<'a>(&'a self, name: &'a str) -> Option<BoxFuture<'a, ()>> {
        let _ = name;
        None
    }

    /// Returns the server, if the suite may kill and start it; `None` if there is no server or it is not yours to kill.
    fn server(&self) -> Option<&dyn Server> {
        None
    }
}

/// The channel that a case wants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wants {
    /// The name of the channel, different for each case: at most 40 lowercase letters, digits and `-`.
    pub name: String,
    /// How long a delivery is lent, where that can be set; at least one second.
    pub lease: Duration,
    /// Whether packets of the same key have to come in order, as with a FIFO queue.
    pub order: bool,
    /// Whether each of several groups gets everything. The groups are those of [`GROUPS`], and both are opened before
    /// anything is published.
    pub fan_out: bool,
    /// The highest priority that is used; 0 for none.
    pub priority: u8,
}

impl Wants {
    /// Describes a channel of this name, with a lease of 30 s and nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), lease: Duration::from_secs(30), order: false, fan_out: false, priority: 0 }
    }
}

/// The names of the groups in a channel with fan-out.
pub const GROUPS: [&str; 2] = ["billing", "shipping"];

/// Creates subscribers of a group. The group is the empty text where there is only one.
pub type Subscribe = Box<dyn Fn(&str) -> Box<dyn Source> + Send + Sync>;

/// Both ends of a channel.
pub struct Channel {
    /// The publisher of the packets that the subscribers get.
    pub publisher: Arc<dyn Publisher>,
    /// Creates a subscriber of a group. The subscribers of one group share the packets, and each group gets all of
    /// them.
    pub subscribe: Subscribe,
    /// Creates a subscriber to the dead letters, if they have a queue.
    pub dead: Option<Box<dyn Fn() -> Box<dyn Source> + Send + Sync>>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("publisher", &self.publisher.name()).finish_non_exhaustive()
    }
}

/// A server that the suite may kill.
pub trait Server: Send + Sync {
    /// Kills the server at once, as `kill -9` does. The future is ready when the server is gone.
    fn kill(&self) -> BoxFuture<'_, ()>;

    /// Starts the server again at the same address with the same data. The future is ready when the server answers.
    fn start(&self) -> BoxFuture<'_, ()>;
}
