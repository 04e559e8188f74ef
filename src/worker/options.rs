//! What a worker goes by.
//!
//! `Worker::concurrency, retry, codec, … → Options → engine.rs, handling.rs`

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::handles::Handles;
use super::reading::Codec;
use crate::codec::Upcasts;
use crate::transport::Publisher;
use crate::{Envelope, EnvelopeLimits, Inbox, Retry};

/// What a worker does with an event that has no listener here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnknown {
    /// The event becomes a dead letter: somebody has sent it here for a reason.
    #[default]
    DeadLetter,
    /// The event is acknowledged, and so lost: for a queue that gets more than this worker wants.
    Ignore,
    /// The event is tried again later, as if a listener had failed: for a deployment in which listeners come and go.
    Retry,
}

/// Says what a dead letter says of an event whose payload is not allowed.
pub(super) type Check = Arc<dyn Fn(&Envelope) -> Result<(), String>>;

pub(super) type KeyOf = Arc<dyn Fn(&Envelope) -> Option<String>>;

/// What a worker goes by.
#[derive(Clone)]
pub(crate) struct Options {
    pub(super) name: Option<String>,
    pub(super) concurrency: usize,
    pub(super) prefetch: Option<usize>,
    pub(super) retry: Retry,
    pub(super) timeout: Option<Duration>,
    pub(super) drain_timeout: Duration,
    pub(super) progress_within: Duration,
    pub(super) on_unknown: OnUnknown,
    pub(super) limits: EnvelopeLimits,
    pub(super) codec: Codec,
    pub(super) check: Option<Check>,
    pub(super) upcasts: Upcasts,
    /// What is wrong with these.
    pub(super) wrong: Option<String>,
    pub(super) max_bytes_here: usize,
    pub(super) key: Option<KeyOf>,
    /// What follows a dead letter with the same key is parked.
    pub(super) parks: bool,
    pub(super) rate: Option<(u32, Duration)>,
    pub(super) dead_letters: Option<Arc<dyn Publisher>>,
    pub(super) inbox: Option<Arc<dyn Inbox>>,
    /// What handles deliveries instead of the bus.
    pub(super) handles: Option<Rc<dyn Handles>>,
}

impl Options {
    /// An event as listeners are to hear it: it has to be allowed in the version in which it was sent, and is heard in the present one.
    ///
    /// # Errors
    ///
    /// What a dead letter says of it.
    pub(super) fn admit(&self, envelope: Box<Envelope>) -> Result<Box<Envelope>, String> {
        if let Some(check) = &self.check {
            check(&envelope)?;
        }
        match self.upcasts.is_empty() {
            true => Ok(envelope),
            false => self.upcasts.lift(*envelope).map(Box::new),
        }
    }

    /// How many may be here at first.
    pub(super) fn total(&self) -> usize {
        self.concurrency.saturating_add(self.prefetch.unwrap_or(self.concurrency))
    }
}
