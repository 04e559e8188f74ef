//! What a listener hears of.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

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

/// What a registration hears of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hears {
    /// Events of one type, and the JSON on its topic.
    Event {
        /// The name of the event.
        name: &'static str,
        /// The topic on which the event travels.
        topic: &'static str,
        /// Whether the event has no form as JSON, so that only listeners of its type hear it.
        local: bool,
        /// Whether the event is marked as one that contains personal data.
        personal: bool,
    },
    /// All that travels on topics that match one of these patterns.
    Topics(Vec<String>),
    /// All whose `publisher/event` matches one of these patterns: what leaves the process by a route.
    Leaving(Vec<String>),
}

impl Hearing {
    /// The same, for whoever asks.
    pub(crate) fn told(&self, personal: bool) -> Hears {
        let texts = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect();
        match self {
            Self::Type { event, .. } => {
                Hears::Event { name: event.name, topic: event.topic, local: !event.json, personal }
            }
            Self::Topics(patterns) => Hears::Topics(texts(patterns)),
            Self::Names(patterns) => Hears::Leaving(texts(patterns)),
        }
    }
}

/// What patterns of names are compared with.
pub(crate) fn subject(publisher: &str, event: &str) -> String {
    format!("{publisher}/{event}")
}
