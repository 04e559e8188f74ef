//! What comes into a queue from now on, heard by somebody who takes nothing of it.
//!
//! `Server::tail → Tail → next → Packet, Packet`

use std::fmt;

use super::looks::Hears;
use crate::transport::{Packet, TransportError};

/// Hears what is published to a queue from now on, and takes nothing from those who work on it. Created by
/// [`Server::tail`](super::Server::tail).
///
/// | | how | what it may miss |
/// |---|---|---|
/// | memory | a copy of each packet | what comes while 10,000 packets wait to be heard |
/// | Redis | `XREAD` | what is published and acknowledged between two reads, which are open all the time |
/// | SQLite, PostgreSQL | rows that are new, looked for every 20 ms | what is published and acknowledged between two looks |
/// | RabbitMQ | a temporary queue, bound to the exchange of this name | nothing, for as long as it is connected |
/// | SQS | not at all: who receives takes it from others | |
pub struct Tail {
    hears: Box<dyn Hears>,
}

impl Tail {
    pub(super) fn new(hears: Box<dyn Hears>) -> Self {
        Self { hears }
    }

    /// Waits for packets and returns them, at most 1,000 at once. Returns none if nothing has come for a second. Nothing is lost
    /// if the future is dropped while it waits.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others of the server. What came meanwhile may be missed; call it again to go on.
    pub async fn next(&mut self) -> Result<Vec<Packet>, TransportError> {
        self.hears.next().await
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").finish_non_exhaustive()
    }
}
