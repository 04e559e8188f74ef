//! What goes wrong between us and a server.

use std::fmt;
use std::sync::Arc;

use crate::__private::{Shown, debug_is_display};

/// An error between this process and a server.
///
/// The text never contains a password or a payload: of the errors of its client, a transport quotes only what contains
/// neither.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportError {
    kind: ErrorKind,
    at: Arc<str>,
    text: String,
}

/// The kind of a [`TransportError`], which tells you what you can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server could not be reached, did not answer in time, or is busy. Try again later.
    Unreachable,
    /// The server has refused, and will refuse again: because of what it was given, or a queue of another kind.
    Refused,
    /// The server does not know who asks, or does not let it: because of the user, the password, or their rights. That says
    /// nothing of an event: mend the account, and what waits is tried again.
    Denied,
    /// The queue, topic, stream or exchange does not exist.
    Missing,
    /// The packet was published to a place from which no queue gets it.
    Unroutable,
    /// The packet is larger than the server takes, or has more attributes.
    TooLarge,
    /// The server cannot do what it was asked for.
    Unsupported,
    /// The delivery is no longer lent to this process, because its lease or its connection has ended. It comes again.
    Lost,
    /// The server sent something that cannot be understood.
    Protocol,
    /// The transport was closed.
    Closed,
}

impl TransportError {
    /// Creates an error of this kind, at the publisher or source of the name `at`. The text names what was tried and
    /// what to do, in lowercase and without a full stop.
    pub fn new(kind: ErrorKind, at: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        Self { kind, at: at.into(), text: text.into() }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the name of the publisher or source.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Returns whether another attempt may succeed, if only when somebody has mended the account.
    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable | ErrorKind::Denied | ErrorKind::Lost | ErrorKind::Protocol)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Shown::name(&self.at), Shown::text(&self.text))
    }
}

impl std::error::Error for TransportError {}

debug_is_display!(TransportError);
