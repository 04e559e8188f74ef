//! Events that cause each other without end.

use std::fmt;

use serde::Serialize;

use crate::base::{debug_is_display, joined};

/// The error of events that cause each other more deeply than the bus allows.
///
/// An event that a listener emits is one deeper than the event that the listener hears.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TooDeep {
    /// The maximum depth that the bus allows.
    pub limit: u32,
    /// The names of the last events of the chain, the latest last.
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

debug_is_display!(TooDeep);
