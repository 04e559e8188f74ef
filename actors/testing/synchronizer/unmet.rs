//! What a wait says when it was not met: what was awaited, what is missing, and what came instead.

use std::error::Error;
use std::fmt;

/// A wait of an [`EventSynchronizer`](super::EventSynchronizer) was not met. Its text has several lines: what is
/// missing, and what came instead.
///
/// `Debug` prints that text too: `.unwrap()` shows it, and what it shows is read by a person whose test has failed.
#[derive(Clone, PartialEq, Eq)]
pub struct Unmet {
    text: String,
    missing: Vec<String>,
}

impl Unmet {
    pub(crate) fn new(text: String, missing: Vec<String>) -> Self {
        Self { text, missing }
    }

    /// Returns what is missing: patterns, or names of events. It is empty if something came that was not to come.
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
