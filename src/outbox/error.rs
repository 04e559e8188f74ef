//! Why an event did not get into an outbox, or a relay did not start.

use std::fmt;

use crate::__private::{Shown, Unstamped, debug_is_display};
use crate::codec::Unpressed;
use crate::transport::TransportError;
use crate::{RouteError, TopicError};

/// The reason why an event did not get into an outbox, or why a relay did not start.
///
/// After an error of [`publish`](super::Outbox::publish), roll your transaction back: the event is not in it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum OutboxError {
    /// The event is local: it has no form as JSON, and never leaves the process.
    Local {
        /// The name of the event.
        event: String,
    },
    /// The event came from another process, and what came from outside does not leave again.
    Foreign {
        /// The name of the event.
        event: String,
    },
    /// The event cannot become JSON.
    NotJson {
        /// The name of the event.
        event: String,
        /// The reason; it quotes nothing of an event that contains personal data.
        reason: String,
    },
    /// The topic of an event as JSON is not valid.
    Topic(TopicError),
    /// A route of a relay cannot be opened.
    Route(RouteError),
    /// The database refused, or could not be reached; or the event is larger than the limits allow.
    Transport(TransportError),
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { event } => write!(
                f,
                "`{}` is local and never leaves the process: remove `#[event(local)]`, and derive `Serialize` and \
                 `Deserialize`",
                Shown::name(event)
            ),
            Self::Foreign { event } => write!(
                f,
                "`{}` came from another process, and does not leave again: publish an event of your own that says what \
                 follows from it",
                Shown::name(event)
            ),
            Self::NotJson { event, reason } => {
                write!(f, "`{}` cannot become JSON: {}", Shown::name(event), Shown::text(reason))
            }
            Self::Topic(error) => error.fmt(f),
            Self::Route(RouteError::NothingMatches { pattern, publisher }) => write!(
                f,
                "nothing would leave by `{pattern}`: events of this outbox are called `{publisher}/<event>`, as in \
                 `{publisher}/OrderPlaced`, or `{publisher}/*` for all of them"
            ),
            Self::Route(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OutboxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Local { .. } | Self::Foreign { .. } | Self::NotJson { .. } => None,
            // What it says of a bus is said of the outbox here.
            Self::Route(RouteError::NothingMatches { .. }) => None,
            Self::Topic(error) => Some(error),
            Self::Route(error) => Some(error),
            Self::Transport(error) => Some(error),
        }
    }
}

debug_is_display!(OutboxError);

impl From<Unpressed> for OutboxError {
    fn from(Unpressed { event, why }: Unpressed) -> Self {
        match why {
            Unstamped::Local => Self::Local { event },
            Unstamped::Foreign => Self::Foreign { event },
            Unstamped::NotJson(reason) => Self::NotJson { event, reason },
        }
    }
}

impl From<TransportError> for OutboxError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<TopicError> for OutboxError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

impl From<RouteError> for OutboxError {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}
