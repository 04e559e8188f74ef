//! Dead letters redriven or deleted, one after the other in the order of their places, and how far that came.
//!
//! ```text
//! ids, or page after page ─▶ redrive | discard ─▶ counted ─▶ the next
//!                                                   └─ asked to stop: the one that has begun is done, and the rest stays
//! ```

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use convoke::look::{Letter, LetterId, Letters};
use convoke::transport::{DeadReason, TransportError};
use tokio::time::timeout;

use super::LIMIT;
use crate::view::{PacketShown, told};

/// How many letters are asked for at a time.
const PAGE: usize = 200;

/// What is done to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Redrive,
    Discard,
}

impl Deed {
    /// What was done.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Redrive => "redriven",
            Self::Discard => "deleted",
        }
    }
}

/// To which letters it is done.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    These(Vec<LetterId>),
    Which(Which),
}

/// What letters have in common. What is empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) event: String,
    pub(crate) key: String,
    /// A word for the reason: one of [`REASONS`].
    pub(crate) reason: String,
    /// What one of the errors says, in whatever case.
    pub(crate) error: String,
}

/// The words by which reasons are asked for.
pub(crate) const REASONS: [(&str, DeadReason); 5] = [
    ("exhausted", DeadReason::Exhausted),
    ("permanent", DeadReason::Permanent),
    ("unknown", DeadReason::Unknown),
    ("broken", DeadReason::Broken),
    ("rejected", DeadReason::Rejected),
];

impl Which {
    /// Whether it is all of them.
    pub(crate) fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this letter is one of them.
    pub(crate) fn is_of(&self, letter: &Letter) -> bool {
        let record = letter.record.as_ref();
        let reason = || REASONS.iter().find(|(word, _)| *word == self.reason).map(|(_, reason)| *reason);
        let is_said = |record: &convoke::transport::DeadLetterRecord| {
            let wanted = self.error.to_lowercase();
            record.errors.iter().any(|error| error.to_lowercase().contains(&wanted))
        };
        (self.key.is_empty() || letter.packet.key.as_deref() == Some(&*self.key))
            && (self.reason.is_empty() || record.is_some_and(|record| Some(record.reason) == reason()))
            && (self.error.is_empty() || record.is_some_and(is_said))
            && (self.event.is_empty() || PacketShown::event_of(&letter.packet).as_deref() == Some(&*self.event))
    }
}

/// How far a sweep came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// To how many letters it was done.
    pub(crate) done: u64,
    /// How many there are in all, if that is known.
    pub(crate) total: Option<u64>,
    /// Letters that are gone, or that somebody else has.
    pub(crate) missing: u64,
    /// They were dead again, or for the first time, before this was done; or are behind such a one of their key.
    pub(crate) died_since: u64,
    pub(crate) end: Option<End>,
}

/// How a sweep has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// Somebody has stopped it, or its thread has ended.
    Stopped,
    Failed(String),
}

/// Many letters of a queue to which the same is done.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) queue: String,
    pub(crate) deed: Deed,
    wanted: Wanted,
    progress: Mutex<Progress>,
    is_stopped: AtomicBool,
}

impl Sweep {
    pub(super) fn new(queue: &str, deed: Deed, wanted: Wanted, total: Option<u64>) -> Self {
        let total = match &wanted {
            Wanted::These(ids) => u64::try_from(ids.len()).ok(),
            Wanted::Which(_) => total,
        };
        let progress = Mutex::new(Progress { total, ..Progress::default() });
        Self { queue: queue.to_owned(), deed, wanted, progress, is_stopped: AtomicBool::new(false) }
    }

    /// How far it came.
    pub(crate) fn progress(&self) -> Progress {
        self.noted().clone()
    }

    /// Asks it to stop: the letter that has begun is done.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Does it to all that are wanted. Dropped, it has stopped.
    pub(crate) fn run(self: Arc<Self>, letters: Letters) -> impl Future<Output = ()> {
        let running = Running(self);
        async move {
            let sweep = &running.0;
            let done = match &sweep.wanted {
                Wanted::These(ids) => sweep.these(&letters, ids).await,
                Wanted::Which(which) => sweep.which(&letters, which).await,
            };
            let end = match done {
                Ok(()) if sweep.is_stopped.load(Ordering::Relaxed) => End::Stopped,
                Ok(()) => End::Done,
                Err(error) => End::Failed(error),
            };
            sweep.noted().end = Some(end);
            letters.close().await;
        }
    }

    async fn these(&self, letters: &Letters, ids: &[LetterId]) -> Result<(), String> {
        for id in ids {
            if self.is_stopped.load(Ordering::Relaxed) {
                break;
            }
            if !self.one(letters, id).await? {
                self.noted().missing += 1;
            }
        }
        Ok(())
    }

    /// A letter that dies while this goes on is behind all others, and would be met again and again. One that has died in the future
    /// was written by a machine whose clock is ahead: it is taken, and once. Of a key of which one stays, all behind it stay.
    async fn which(&self, letters: &Letters, which: &Which) -> Result<(), String> {
        let (began, mut after) = (millis(), None);
        let (mut ahead, mut held) = (HashSet::new(), HashSet::new());
        loop {
            let page = in_time(letters.page(after.as_ref(), PAGE)).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            for letter in page.iter().filter(|letter| which.is_of(letter)) {
                if self.is_stopped.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let died = letter.record.as_ref().map_or(0, |record| record.time);
                let key = letter.packet.key.as_ref();
                let is_new = died > began && (died <= millis() || !ahead.insert(letter.packet.id.clone()));
                if is_new || key.is_some_and(|key| held.contains(key)) {
                    self.noted().died_since += 1;
                    held.extend(key.cloned());
                } else {
                    // One that is gone meanwhile was done by somebody else.
                    self.one(letters, &letter.id).await?;
                }
            }
        }
    }

    async fn one(&self, letters: &Letters, id: &LetterId) -> Result<bool, String> {
        let done = match self.deed {
            Deed::Redrive => in_time(letters.redrive(id)).await,
            Deed::Discard => in_time(letters.discard(id)).await,
        };
        let done = done.map_err(|error| format!("letter {id} may be in either place: {error}"))?;
        if done {
            self.noted().done += 1;
        }
        Ok(done)
    }

    fn noted(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, TransportError>>) -> Result<T, String> {
    match timeout(LIMIT, asked).await {
        Ok(answer) => answer.map_err(|error| told(&error.to_string())),
        Err(_) => Err(format!("the server has not answered within {} s", LIMIT.as_secs())),
    }
}

/// Now, in milliseconds since 1970.
fn millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// A sweep that ends with its thread has stopped, so that another one may begin.
struct Running(Arc<Sweep>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.noted().end.get_or_insert(End::Stopped);
    }
}
