//! What a listener hears of.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use crate::events::topics::Pattern;

/// What a listener hears of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Hearing {
    /// Events of one type, and what comes as JSON on its topic.
    Type { of: TypeId, event: &'static EventType },
    /// Whatever travels on topics that match one of these.
    Topics(Arc<[Pattern]>),
    /// Whatever has a form as JSON and whose `publisher/event` matches one of these: what leaves the process.
    Names(Arc<[Pattern]>),
}

/// What is the same for all who hear events of one type.
#[derive(Debug, PartialEq)]
pub(crate) struct EventType {
    pub(crate) name: &'static str,
    pub(crate) topic: &'static str,
    /// They also come as JSON, on that topic.
    pub(crate) json: bool,
}

impl fmt::Display for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { event, .. } => f.write_str(event.name),
            Self::Topics(patterns) | Self::Names(patterns) => {
                for (place, pattern) in patterns.iter().enumerate() {
                    write!(f, "{}{pattern}", if place == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// What patterns of names are compared with.
pub(crate) fn subject(publisher: &str, event: &str) -> String {
    format!("{publisher}/{event}")
}
