//! Lets a listener hear of an event once, however often it comes.
//!
//! `call → by listener and id: under way, done, or new → next`

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::runtime;

use super::super::{Call, Handling, Middleware, Next, PerListener};

/// How many ids are known of each listener unless it is told: under a megabyte.
const CAPACITY: usize = 10_000;

/// Calls a listener once for each event, known by its id and its publisher, and skips a repeated event as done.
///
/// A repetition that arrives while the first call is under way waits for the end of the first call. If the first call
/// succeeded, the repetition is skipped. If the first call failed, the repetition runs. A skipped call therefore always
/// means that the listener has handled the event.
///
/// Each listener has ids of its own. An id is remembered for the [window](Self::new) after a successful call. Beyond the
/// [capacity](Self::capacity) the oldest id is forgotten before that. The id of a call that fails, panics or is dropped
/// is forgotten at once, so that the event can be tried again.
///
/// Put this middleware outside of a [`RetryInPlace`](super::RetryInPlace). It covers only this process, and forgets
/// everything at a restart. A listener that emits its own event again under the same id, and waits for that emission,
/// waits for itself until its timeout.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::Deduplicate;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # use std::cell::Cell;
/// # use std::rc::Rc;
/// use std::time::Duration;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let (sent, reachable) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
/// # let (count, line) = (sent.clone(), reachable.clone());
/// let mail = move |_: &OrderPlaced| match line.get() {
///     true => Ok(count.set(count.get() + 1)),
///     false => Err("no connection"),
/// };
/// let bus = EventBus::default();
/// let _mail = bus.on(mail.with(Deduplicate::new(Duration::from_secs(300))))?;
/// bus.emit(OrderPlaced { id: 7 }).await;
///
/// reachable.set(true);
/// let letter = bus.dead_letters().list()[0].id;
/// bus.dead_letters().redrive(letter)?; // the same event, with the same id: it has failed, so it is run
/// bus.drain().await;
/// assert_eq!(sent.get(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Deduplicate {
    window: Duration,
    capacity: usize,
    seen: PerListener<Seen>,
}

impl Deduplicate {
    /// Remembers an id for `window` after the event was handled. A `window` of zero covers only the time while a call
    /// is under way.
    ///
    /// The deduplication of SQS uses a window of five minutes:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-key-terms.html>.
    pub fn new(window: Duration) -> Self {
        Self { window, capacity: CAPACITY, seen: PerListener::default() }
    }

    /// Sets how many ids are remembered for each listener. Beyond that number the oldest id is forgotten. The default
    /// is 10,000.
    #[must_use]
    pub fn capacity(mut self, ids: usize) -> Self {
        self.capacity = ids;
        self
    }
}

impl Middleware for Deduplicate {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            let id = call.metadata().known_by();
            let (told, end) = watch::channel(());
            loop {
                match self.seen.with(&call, |seen| seen.begin(id, self.window, &end)) {
                    None => break,
                    Some(Known::Done) => return Ok(()),
                    // An error means that the other run has ended.
                    Some(Known::UnderWay(mut end)) => while end.changed().await.is_ok() {},
                }
            }
            let mut run = Run { of: self, call: call.clone(), id, done: false, _told: told };
            let handled = next.run(call).await;
            run.done = handled.is_ok();
            handled
        })
    }
}

/// The id and a digest of the publisher, who may have ids of its own.
type Id = (Uuid, u64);

/// What is known of an id.
#[derive(Clone)]
enum Known {
    UnderWay(watch::Receiver<()>),
    Done,
}

/// The ids that one listener has seen.
#[derive(Default)]
struct Seen {
    ids: HashMap<Id, Known>,
    /// Those that are done, the oldest first, and when they were.
    done: VecDeque<(Instant, Id)>,
}

impl Seen {
    /// What is known of this id; if nothing, it is under way from now on, until this end.
    fn begin(&mut self, id: Id, window: Duration, end: &watch::Receiver<()>) -> Option<Known> {
        let now = runtime::now();
        while self.done.front().is_some_and(|(done, _)| runtime::after(*done, window) <= now) {
            self.forget_oldest();
        }
        let known = self.ids.get(&id).cloned();
        if known.is_none() {
            self.ids.insert(id, Known::UnderWay(end.clone()));
        }
        known
    }

    fn end(&mut self, id: Id, done: bool, capacity: usize) {
        if !done {
            self.ids.remove(&id);
            return;
        }
        self.ids.insert(id, Known::Done);
        self.done.push_back((runtime::now(), id));
        if self.done.len() > capacity {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.done.pop_front() {
            self.ids.remove(&id);
        }
    }
}

/// A run under way, that ends however it may.
struct Run {
    of: Arc<Deduplicate>,
    call: Call,
    id: Id,
    done: bool,
    /// Dropped after the end is noted, it wakes those who wait.
    _told: watch::Sender<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.of.seen.with(&self.call, |seen| seen.end(self.id, self.done, self.of.capacity));
    }
}
