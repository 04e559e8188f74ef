//! The way to the listeners of one arbiter, from any thread.
//!
//! `publish, emit (another thread), unsubscribe, drain → Door → the station behind it`

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::freight::Freight;
use super::post::Post;
use crate::runtime::{Home, Inbox, Refused};

/// How many events may be on their way from other threads to one arbiter: enough for bursts, and a bound on what an
/// arbiter that stands still can collect.
const DOOR: usize = 1 << 16;

/// What comes to a station.
pub(crate) enum ToStation {
    /// An event for some listeners.
    Arrive(Freight),
    /// A registration has ended.
    End { post: Arc<Post>, told: Option<oneshot::Sender<()>> },
    /// Somebody wants to know when nothing is queued or running.
    Rest { told: oneshot::Sender<u64> },
    /// Somebody wants to know when all that came before this has come in.
    Passed { told: oneshot::Sender<()> },
    /// The last handle of the bus is gone.
    Close,
}

/// The way to a station from anywhere.
pub(crate) struct Door {
    inbox: Inbox<ToStation>,
    /// Counts what the station has done, so that two looks tell whether it was at rest in between.
    activity: AtomicU64,
    seeded: bool,
    closed: AtomicBool,
    /// Somebody waits for it to be at rest.
    asked: AtomicBool,
}

impl Door {
    /// Of a station whose task is at `home`.
    pub(crate) fn new(home: Home, seeded: bool) -> Self {
        let inbox = Inbox::new(DOOR);
        inbox.attach(home);
        Self {
            inbox,
            activity: AtomicU64::new(0),
            seeded,
            closed: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }
    }

    /// What has come, for the station behind it.
    #[inline]
    pub(crate) fn inbox(&self) -> &Inbox<ToStation> {
        &self.inbox
    }

    /// Somebody waits for the station to be at rest, or nobody any more.
    pub(crate) fn ask(&self, asked: bool) {
        self.asked.store(asked, Ordering::Release);
    }

    /// The station is gone.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether a seed decides what is done next.
    pub(crate) fn is_seeded(&self) -> bool {
        self.seeded
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Sends an event; one that is refused tells its listeners so.
    pub(crate) fn push_freight(&self, freight: Freight) {
        match self.inbox.push(ToStation::Arrive(freight)) {
            Err(Refused::Full(ToStation::Arrive(freight))) => freight.refuse(),
            refused => drop(refused),
        }
    }

    /// For what is bounded elsewhere: one for each registration, each `drain` and each bus.
    pub(crate) fn push_always(&self, what: ToStation) {
        self.inbox.push_always(what);
    }

    /// The same, behind all that other threads have pushed.
    pub(crate) fn push_behind_others(&self, what: ToStation) {
        self.inbox.push_behind_others(what);
    }

    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether nothing has come or been done since the station said so.
    pub(crate) fn is_at_rest_since(&self, activity: u64) -> bool {
        // In this order: who empties the inbox has counted that before.
        (self.is_closed() || self.inbox.is_empty()) && self.activity() == activity
    }

    pub(crate) fn count(&self) {
        self.activity.store(self.activity.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("closed", &self.closed).finish_non_exhaustive()
    }
}
