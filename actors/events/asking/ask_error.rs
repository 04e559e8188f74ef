//! Why a question has no answer.

use std::fmt;
use std::time::Duration;

use crate::base::{Shown, debug_is_display};
use crate::events::listener::Report;

/// The error of a [`request`](crate::EventBus::request) that got no answer.
#[derive(Clone)]
#[non_exhaustive]
pub enum AskError {
    /// No answerer is registered for this event and this type of answer.
    NoAnswerer {
        /// The event's name.
        event: String,
        /// The type of the requested answer.
        answer: &'static str,
    },
    /// All answerers have failed; the report contains the error of each.
    Failed(Report),
    /// No answer has arrived within this time.
    TimedOut(Duration),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswerer { event, answer } => {
                let event = Shown::name(event);
                write!(f, "nobody answers {event} with `{answer}`: register one with `bus.answer(…)`")
            }
            Self::Failed(report) => write!(f, "nobody has answered: {report}"),
            Self::TimedOut(limit) => write!(f, "nobody has answered within {limit:?}: ask with a longer `within`"),
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(report) => Some(report),
            _ => None,
        }
    }
}

debug_is_display!(AskError);
