//! Which events were done, so that one that comes again is not done again.
//!
//! `worker: Delivery → Inbox::seen? → listeners → Inbox::mark → ack`

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::{ErrorKind, TransportError};
use super::publisher::BoxFuture;

/// Remembers for a window of time which events were handled, each by its [identity](crate::Metadata::identity).
///
/// Servers deliver at least once. If you ask the inbox before you handle an event and mark it afterwards, most events
/// are handled once. The mark comes after the work: after a crash between the two, the event is handled twice. Only a
/// mark in the same transaction as the work, as `SqliteInbox` can write it, closes that gap.
pub trait Inbox: Send + Sync + 'static {
    /// Returns whether this event was marked within the window.
    ///
    /// # Errors
    ///
    /// `Unreachable` if the inbox cannot be asked now.
    fn seen<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>>;

    /// Marks this event as handled. Returns `true` if it was not marked before. Marking an event again changes nothing.
    ///
    /// # Errors
    ///
    /// `Unreachable` if it is unknown whether the event is marked now.
    fn mark<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>>;
}

/// The error of a mark that was to share a transaction, and would be there by itself.
pub(crate) fn no_transaction(at: &Arc<str>) -> TransportError {
    let text = "there is no transaction on this connection, and the mark would stay if the work fails: begin one with \
        `db.begin()`, or mark it by itself with `mark`";
    TransportError::new(ErrorKind::Refused, at.clone(), text)
}

impl<I: Inbox + ?Sized> Inbox for Arc<I> {
    fn seen<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        (**self).seen(id)
    }

    fn mark<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        (**self).mark(id)
    }
}

/// An [`Inbox`] in the memory of this process, which is lost when the process ends. Its clones share the same memory.
#[derive(Clone)]
pub struct MemoryInbox {
    window: Duration,
    most: usize,
    marks: Arc<Mutex<Marks>>,
}

impl MemoryInbox {
    /// The default of [`most`](Self::most): how many events the inbox remembers.
    pub const MOST: usize = 100_000;

    /// Creates an inbox that remembers an event for this window of time.
    pub fn new(window: Duration) -> Self {
        Self { window, most: Self::MOST, marks: Arc::default() }
    }

    /// Sets how many events the inbox remembers. With more, it forgets the oldest before its time. The default is
    /// [`MOST`](Self::MOST), which takes about 10 MB.
    pub fn most(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self
    }

    /// Returns how many events the inbox remembers.
    pub fn len(&self) -> usize {
        self.marks().by_id.len()
    }

    /// Returns whether the inbox remembers no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the marks that are not too old.
    fn marks(&self) -> MutexGuard<'_, Marks> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while marks.in_order.front().is_some_and(|(marked, _)| now.duration_since(*marked) >= self.window) {
            marks.forget_oldest();
        }
        marks
    }
}

impl Inbox for MemoryInbox {
    fn seen<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move { Ok(self.marks().by_id.contains(id)) })
    }

    fn mark<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let mut marks = self.marks();
            if marks.by_id.contains(id) {
                return Ok(false);
            }
            if marks.in_order.len() >= self.most {
                marks.forget_oldest();
            }
            let id: Arc<str> = id.into();
            marks.in_order.push_back((Instant::now(), id.clone()));
            marks.by_id.insert(id);
            Ok(true)
        })
    }
}

impl fmt::Debug for MemoryInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryInbox").field("window", &self.window).field("most", &self.most).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Marks {
    by_id: HashSet<Arc<str>>,
    /// The oldest first.
    in_order: VecDeque<(Instant, Arc<str>)>,
}

impl Marks {
    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.in_order.pop_front() {
            self.by_id.remove(&id);
        }
    }
}
