//! What goes wrong between us and a server.

use std::fmt;
use std::sync::Arc;

use crate::__private::Shown;

/// Something did not go right between us and a server.
///
/// Its text never has a password or a payload in it: a transport quotes of its client's errors only what is neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportError {
    kind: ErrorKind,
    at: Arc<str>,
    text: String,
}

/// What kind of thing went wrong, which says what can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server could not be reached, did not answer in time, or is busy: try again later.
    Unreachable,
    /// The server has said no, and will again: credentials, rights, a queue of another kind.
    Refused,
    /// There is no such queue, topic, stream or exchange.
    Missing,
    /// No queue gets what is published there.
    Unroutable,
    /// The packet is larger than the server takes, or has more attributes.
    TooLarge,
    /// It was asked for something that the server cannot do.
    Unsupported,
    /// The delivery is no longer lent to us: its lease has run out, or the connection has, and it comes again.
    Lost,
    /// What the server sent makes no sense.
    Protocol,
    /// The transport was closed.
    Closed,
}

impl TransportError {
    /// Makes one of this kind, at the publisher or source of that name. The text names what was tried and what to do,
    /// lowercase and without a full stop.
    pub fn new(kind: ErrorKind, at: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        Self { kind, at: at.into(), text: text.into() }
    }

    /// Returns what kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the name of the publisher or the source.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Whether another attempt may go well.
    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable | ErrorKind::Lost | ErrorKind::Protocol)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Shown::name(&self.at), Shown::text(&self.text))
    }
}

impl std::error::Error for TransportError {}
