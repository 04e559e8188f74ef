//! Events that cause each other without end.

use std::fmt;

use serde::Serialize;

use crate::base::joined;

/// A listener has caused an event that caused the listener's own event, and so on, further than the bus allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TooDeep {
    /// How deep events may cause each other.
    pub limit: u32,
    /// The names of the last events, the latest last.
    pub chain: Vec<String>,
}

/// How many events of a chain an error names: enough to see the cycle.
pub(crate) const SHOWN_CHAIN: usize = 8;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, chain } = self;
        write!(
            f,
            "events have caused each other {limit} deep, the most there may be: {}{}; break the cycle, or raise \
             `max_depth`",
            if chain.len() > *limit as usize { "" } else { "… → " },
            joined(chain.iter().map(String::as_str), " → ")
        )
    }
}

impl std::error::Error for TooDeep {}
