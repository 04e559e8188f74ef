//! What the suite has to know of a transport: how to make a queue that nobody else uses, and its server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::transport::{BoxFuture, Publisher, Source, TransportError};

/// A transport, as the suite uses it. It is made once, and asked for a fresh channel by each case.
pub trait Fixture: Send + Sync {
    /// Returns what it is called in the table, as in `redis`.
    fn name(&self) -> &str;

    /// Makes a channel that is empty and that nobody else uses.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it cannot be as wanted; the case is then not applicable, and the table says so.
    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>>;

    /// Deletes at the server, without us, all that stands in the channel that was wanted by this name, what is lent too; `None`
    /// where nobody can, which is the default.
    fn delete_all<'a>(&'a self, name: &'a str) -> Option<BoxFuture<'a, ()>> {
        let _ = name;
        None
    }

    /// Returns its server, if the suite may kill and start it; `None` for one that is not ours, or for none.
    fn server(&self) -> Option<&dyn Server> {
        None
    }
}

/// What a case wants of a channel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wants {
    /// Its name, different for each case: lowercase letters, digits and `-`, at most 40.
    pub name: String,
    /// How long a delivery is lent, where that can be set; at least one second.
    pub lease: Duration,
    /// Whether packets of one key have to come in order, as with a FIFO queue.
    pub order: bool,
    /// Whether several groups each get everything: those that are named in [`GROUPS`]. Both are opened before anything is
    /// published.
    pub fan_out: bool,
    /// The highest priority that is used; 0 for none.
    pub priority: u8,
}

impl Wants {
    /// Wants a channel of this name, with a lease of 30 s, and nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), lease: Duration::from_secs(30), order: false, fan_out: false, priority: 0 }
    }
}

/// The groups of a channel that wants fan-out.
pub const GROUPS: [&str; 2] = ["billing", "shipping"];

/// Makes subscribers of a group; the group is the empty text where there is only one.
pub type Subscribe = Box<dyn Fn(&str) -> Box<dyn Source> + Send + Sync>;

/// Both ends of a channel.
pub struct Channel {
    /// Hands over what the subscribers get.
    pub publisher: Arc<dyn Publisher>,
    /// Makes a subscriber of a group. Those of one group share what comes, and each group gets everything.
    pub subscribe: Subscribe,
    /// Makes a subscriber to its dead letters, if they have a queue.
    pub dead: Option<Box<dyn Fn() -> Box<dyn Source> + Send + Sync>>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("publisher", &self.publisher.name()).finish_non_exhaustive()
    }
}

/// A server that the suite may kill.
pub trait Server: Send + Sync {
    /// Kills it at once, as `kill -9` does; ready when it is gone.
    fn kill(&self) -> BoxFuture<'_, ()>;

    /// Starts it again at the same address with the same data; ready when it answers.
    fn start(&self) -> BoxFuture<'_, ()>;
}
