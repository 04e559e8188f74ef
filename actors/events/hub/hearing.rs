//! What a listener hears of.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use crate::events::event::Name;
use crate::events::topics::Pattern;

/// What a listener hears of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Hearing {
    /// Events of one type, and what comes as JSON on its topic.
    Type { of: TypeId, name: Name, topic: Name, json: bool },
    /// Whatever travels on topics that match one of these.
    Topics(Arc<[Pattern]>),
    /// Whatever has a form as JSON and whose `publisher/event` matches one of these: what leaves the process.
    Names(Arc<[Pattern]>),
}

impl fmt::Display for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { name, .. } => f.write_str(name),
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
