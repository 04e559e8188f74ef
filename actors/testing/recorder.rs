//! The record of a test: what is emitted on a bus, in its order, up to a bound.
//!
//! `a bus's taps → Recorder → EventSynchronizer, FakeBus`

use std::any::TypeId;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::time::Instant;

use super::seen::Seen;
use crate::events::parcel::{AnyParcel, Tap};
use crate::events::topics::Pattern;
use crate::runtime::{self, drop_quietly, quietly};

/// How many events a record keeps unless it is told.
pub(crate) const KEPT: usize = 10_000;

/// How many events a list shows: the last ones.
const LISTED: usize = 20;

/// How many events are looked at in one go: a wait that is met by the first of many takes no copy of all.
const LOOKED_AT: usize = 64;

/// What is recorded.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All,
    Topics(Vec<Pattern>),
    Type { of: TypeId, topic: &'static str },
}

impl Filter {
    fn takes(&self, parcel: &dyn AnyParcel) -> bool {
        match self {
            Self::All => true,
            Self::Topics(patterns) => {
                parcel.has_json() && patterns.iter().any(|pattern| pattern.matches(&parcel.topic()))
            }
            Self::Type { of, topic } => Seen::is_of(parcel, *of, topic),
        }
    }
}

/// What is emitted on a bus, recorded from any thread.
pub(crate) struct Recorder {
    filter: Filter,
    pub(crate) began: Instant,
    /// Nobody else is called, but answerers if that is said.
    stands_in: bool,
    state: Mutex<State>,
}

struct State {
    seen: VecDeque<Seen>,
    /// How many were recorded, with those that are no longer kept.
    recorded: u64,
    /// How many came, with those that are not recorded.
    came: u64,
    limit: usize,
    /// How many are no longer kept, since it was cleared.
    forgotten: u64,
    /// Answerers are called.
    answers: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl Recorder {
    pub(crate) fn new(filter: Filter, began: Instant, stands_in: bool) -> Arc<Self> {
        let state = State {
            seen: VecDeque::new(),
            recorded: 0,
            came: 0,
            limit: KEPT,
            forgotten: 0,
            answers: false,
            closed: false,
            waker: None,
        };
        Arc::new(Self { filter, began, stands_in, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_limit(&self, events: usize) {
        let dropped: Vec<_> = {
            let mut state = self.state();
            state.limit = events.max(1);
            let surplus = state.seen.len().saturating_sub(state.limit);
            state.forgotten += surplus as u64;
            state.seen.drain(..surplus).collect()
        };
        drop_each(dropped);
    }

    /// Records nothing more, and lets go of what there is.
    pub(crate) fn close(&self) {
        let (dropped, waker) = {
            let mut state = self.state();
            state.closed = true;
            (std::mem::take(&mut state.seen), state.waker.take())
        };
        drop_each(dropped);
        drop_quietly(waker);
    }

    /// The next that were recorded after that number; if there is nothing, whoever waits is woken by the next.
    pub(crate) fn after(&self, number: u64, waker: &Waker) -> Vec<Seen> {
        let waker = waker.clone();
        let before;
        {
            let mut state = self.state();
            let kept_from = state.recorded - state.seen.len() as u64;
            let skip = usize::try_from(number.saturating_sub(kept_from)).unwrap_or(usize::MAX);
            let fresh: Vec<_> = state.seen.iter().skip(skip).take(LOOKED_AT).cloned().collect();
            if !fresh.is_empty() {
                return fresh;
            }
            before = state.waker.replace(waker);
        }
        drop_quietly(before);
        Vec::new()
    }

    /// All that is kept, the oldest first.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.state().seen.iter().cloned().collect()
    }

    /// How many events came, whether they are recorded or not.
    pub(crate) fn came(&self) -> u64 {
        self.state().came
    }

    /// How many were recorded.
    pub(crate) fn recorded(&self) -> u64 {
        self.state().recorded
    }

    /// How many are no longer kept, since it was cleared.
    pub(crate) fn forgotten(&self) -> u64 {
        self.state().forgotten
    }

    /// Forgets what there is.
    pub(crate) fn clear(&self) {
        let dropped = {
            let mut state = self.state();
            state.forgotten = 0;
            std::mem::take(&mut state.seen)
        };
        drop_each(dropped);
    }

    /// Answerers are called.
    pub(crate) fn let_answer(&self) {
        self.state().answers = true;
    }

    /// The last events, one on each line, with what is to be said of some of them.
    pub(crate) fn list(&self, mark: impl Fn(&Seen) -> Option<String>) -> String {
        let (seen, earlier) = {
            let state = self.state();
            let skip = state.seen.len().saturating_sub(LISTED);
            (state.seen.iter().skip(skip).cloned().collect::<Vec<_>>(), state.forgotten + skip as u64)
        };
        let mut list = String::new();
        if earlier > 0 {
            list += &format!("\n  … {earlier} before them");
        }
        for seen in &seen {
            list += &format!("\n  {seen}");
            if let Some(mark) = mark(seen) {
                list += &format!("  <- {mark}");
            }
        }
        list
    }
}

/// Each by itself: a second panic while the first unwinds would abort the process.
fn drop_each(seen: impl IntoIterator<Item = Seen>) {
    seen.into_iter().for_each(drop_quietly);
}

impl Tap for Recorder {
    fn note(&self, parcel: Arc<dyn AnyParcel>, asked: bool) {
        let at = runtime::now().saturating_duration_since(self.began);
        let takes = self.filter.takes(&*parcel);
        let (waker, dropped) = {
            let mut state = self.state();
            state.came += 1;
            if state.closed || !takes {
                return;
            }
            state.recorded += 1;
            let seen = Seen::new(state.recorded, at, asked, parcel);
            let dropped = if state.seen.len() >= state.limit { state.seen.pop_front() } else { None };
            state.forgotten += u64::from(dropped.is_some());
            state.seen.push_back(seen);
            (state.waker.take(), dropped)
        };
        drop_quietly(dropped);
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }

    fn stands_in(&self, for_answerers: bool) -> bool {
        self.stands_in && !(for_answerers && self.state().answers)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("filter", &self.filter).field("recorded", &self.recorded()).finish()
    }
}
