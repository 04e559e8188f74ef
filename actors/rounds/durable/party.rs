//! What a party says of itself when it joins, as it stands in a row of the broker and in those of rounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a party says of itself when it joins. How much a signal weighs goes with the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyTerms {
    /// How long it has for a signal from the opening of a round on, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Whether it can be asked for its signal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
}

impl PartyTerms {
    pub(crate) fn new(deadline: Option<Duration>, asked: bool) -> Self {
        let micros = |deadline: Duration| deadline.as_micros().try_into().unwrap_or(u64::MAX);
        Self { deadline: deadline.map(micros), asked }
    }

    /// How long it has.
    pub fn time(&self) -> Option<Duration> {
        self.deadline.map(Duration::from_micros)
    }

    /// Reads them.
    ///
    /// # Errors
    ///
    /// If a later program has written them.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes them.
    pub fn to_text(&self) -> String {
        // It has nothing that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}
