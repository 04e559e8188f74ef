//! One at a time of each group: SQS lends up to ten of one at once, and who handles them would overtake.
//!
//! `poll.rs → arrive → the first of its group: ready; the others wait → Turn::pass → the next: ready`

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::poll::{Lent, give_back_soon};
use super::queue::Queue;

/// What is lent to a subscriber and handed to nobody yet.
#[derive(Default)]
pub(super) struct Groups {
    state: Mutex<State>,
    /// Something has become ready while nobody looked.
    pub(super) news: Notify,
}

#[derive(Default)]
struct State {
    /// Can be handed out.
    ready: VecDeque<Lent>,
    /// A group stands here as long as one of it is ready or out.
    lines: HashMap<String, Line>,
    /// How many lines there have been.
    count: u64,
}

/// Those that wait for the one of their group that is ready or out.
struct Line {
    number: u64,
    waiting: VecDeque<Lent>,
}

impl Groups {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what one request has brought, in its order.
    pub(super) fn arrive(&self, lent: Vec<Lent>) {
        let mut state = self.state();
        let State { ready, lines, count } = &mut *state;
        let before = *count;
        for mut lent in lent {
            let Some(group) = &lent.group else {
                ready.push_back(lent);
                continue;
            };
            match lines.get_mut(group) {
                Some(line) if line.number > before => {
                    lent.line = line.number;
                    line.waiting.push_back(lent);
                }
                // SQS lends nothing of a group of which something is lent: what we had of it is done, or its lease has run
                // out, and it is among these.
                _ => {
                    *count += 1;
                    ready.retain(|old| old.group.as_ref() != Some(group));
                    lines.insert(group.clone(), Line { number: *count, waiting: VecDeque::new() });
                    lent.line = *count;
                    ready.push_back(lent);
                }
            }
        }
    }

    /// Returns the receipt handles of those of the next `most` whose lease is half gone.
    pub(super) fn ageing(&self, most: usize, lease: std::time::Duration) -> Vec<String> {
        let state = self.state();
        let next = state.ready.iter().take(most);
        next.filter(|lent| lent.left() < lease / 2).map(|lent| lent.handle.clone()).collect()
    }

    /// Notes until when these are lent now.
    pub(super) fn extended(&self, handles: &[String], until: Instant) {
        let mut state = self.state();
        let State { ready, lines, .. } = &mut *state;
        let all = ready.iter_mut().chain(lines.values_mut().flat_map(|line| &mut line.waiting));
        for lent in all.filter(|lent| handles.contains(&lent.handle)) {
            lent.until = until;
        }
    }

    /// Takes out up to `most`, and apart from them those that are not ours any more, with all who wait for these.
    pub(super) fn take(&self, most: usize) -> (Vec<Lent>, Vec<Lent>) {
        let mut state = self.state();
        let (mut taken, mut gone) = (Vec::new(), Vec::new());
        while taken.len() < most
            && let Some(lent) = state.ready.pop_front()
        {
            if lent.left().is_zero() {
                if let Some(line) = lent.group.as_ref().and_then(|group| state.lines.remove(group)) {
                    gone.extend(line.waiting);
                }
                gone.push(lent);
            } else {
                taken.push(lent);
            }
        }
        (taken, gone)
    }

    /// Takes out everything.
    pub(super) fn clear(&self) -> Vec<Lent> {
        let mut state = self.state();
        let State { ready, lines, .. } = &mut *state;
        ready.drain(..).chain(lines.drain().flat_map(|(_, line)| line.waiting)).collect()
    }
}

/// It is out, and others of its group wait for it. Dropped, it is not done: all of them go back, and come after it.
pub(super) struct Turn {
    queue: Arc<Queue>,
    groups: Arc<Groups>,
    group: String,
    line: u64,
    passed: bool,
}

impl Turn {
    pub(super) fn new(queue: Arc<Queue>, groups: Arc<Groups>, group: String, line: u64) -> Self {
        Self { queue, groups, group, line, passed: false }
    }

    /// It is done for good.
    pub(super) fn pass(mut self) {
        self.passed = true;
        let mut state = self.groups.state();
        let State { ready, lines, .. } = &mut *state;
        match lines.get_mut(&self.group).filter(|line| line.number == self.line).map(|line| line.waiting.pop_front()) {
            Some(Some(next)) => ready.push_back(next),
            Some(None) => {
                lines.remove(&self.group);
                return;
            }
            None => return,
        }
        drop(state);
        self.groups.news.notify_one();
    }

    /// Returns the receipt handles of those who wait for it, whose leases run too.
    pub(super) fn waiting(&self) -> Vec<String> {
        let state = self.groups.state();
        let line = state.lines.get(&self.group).filter(|line| line.number == self.line);
        line.map(|line| line.waiting.iter().map(|lent| lent.handle.clone()).collect()).unwrap_or_default()
    }

    /// Notes until when these are lent now.
    pub(super) fn extended(&self, handles: &[String], until: Instant) {
        self.groups.extended(handles, until);
    }

    fn leave(&self) -> Vec<Lent> {
        let mut state = self.groups.state();
        let ours = state.lines.get(&self.group).is_some_and(|line| line.number == self.line);
        let line = if ours { state.lines.remove(&self.group) } else { None };
        line.map(|line| line.waiting.into()).unwrap_or_default()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.passed {
            give_back_soon(&self.queue, self.leave());
        }
    }
}
