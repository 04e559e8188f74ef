//! What a wait says when it was not met: what was awaited, what is missing, and what came instead.

use std::error::Error;
use std::fmt;

/// An error returned when a wait of an [`EventSynchronizer`](super::EventSynchronizer) was not met. Its text has
/// several lines: what is missing, and what came instead.
///
/// `Debug` prints the same text, so `.unwrap()` shows it readably.
#[derive(Clone, PartialEq, Eq)]
pub struct Unmet {
    text: String,
    missing: Vec<String>,
}

impl Unmet {
    pub(crate) fn new(text: String, missing: Vec<String>) -> Self {
        Self { text, missing }
    }

    /// Returns what is missing: patterns, or names of events. The slice is empty if an event came that should not have
    /// come.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Unmet {}
