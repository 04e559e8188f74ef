//! The bounds of a bus.

use std::time::Duration;

/// The bounds of a bus, each set by its builder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) capacity: usize,
    pub(crate) listener_timeout: Duration,
    pub(crate) room_timeout: Duration,
    pub(crate) max_depth: u32,
    pub(crate) max_listeners: usize,
    pub(crate) dead_letters: usize,
    pub(crate) retained: usize,
}
