//! What was said about a listener when it was registered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::events::middleware::Middleware;
use crate::events::verdict::Overflow;

/// For which events a listener is called.
pub(crate) type Condition<S> = Box<dyn Fn(&S) -> bool>;

/// What was said about a listener.
pub(crate) struct Options<S> {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) priority: i32,
    pub(crate) times: u64,
    pub(crate) when: Option<Condition<S>>,
    pub(crate) concurrency: usize,
    pub(crate) capacity: Option<usize>,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) all_or_none: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) skip_retained: bool,
    pub(crate) unless_replayed: bool,
    /// Who is told when a call of it has ended.
    pub(crate) rest: Option<Arc<Notify>>,
}
