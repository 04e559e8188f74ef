//! JSON that is not of the type that it is to be.

use crate::base::Shown;
use crate::base::debug_is_display;

/// The error of a payload that does not have the form of the event type on its topic, or that has no form as JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct BadPayload {
    /// The event's name.
    pub event: String,
    /// The topic on which the payload arrived.
    pub topic: String,
    /// What is wrong with the payload; hidden if the event contains personal data.
    pub reason: String,
}

impl std::fmt::Display for BadPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { event, topic, reason } = self;
        let (topic, event, reason) = (Shown::name(topic), Shown::name(event), Shown::text(reason));
        write!(f, "the payload on `{topic}` is not that of `{event}`: {reason}")
    }
}

impl std::error::Error for BadPayload {}

debug_is_display!(BadPayload);
