//! One at a time of each group: SQS lends up to ten of one at once, and who handles them would overtake.
//!
//! `poll.rs → arrive → the first of its group: ready; the others wait → Turn::pass → the next: ready`

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Queue;
use super::poll::{Lent, give_back_soon};

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
    /// Those that wait for the one of their group that is ready or out. A group stands here as long as one of it is.
    lines: HashMap<String, VecDeque<Lent>>,
}

impl Groups {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what was received, in its order.
    pub(super) fn arrive(&self, lent: Vec<Lent>) {
        let mut state = self.state();
        for lent in lent {
            let Some(group) = &lent.group else {
                state.ready.push_back(lent);
                continue;
            };
            match state.lines.get_mut(group) {
                Some(line) => line.push_back(lent),
                None => {
                    state.lines.insert(group.clone(), VecDeque::new());
                    state.ready.push_back(lent);
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
        let State { ready, lines } = &mut *state;
        for lent in ready.iter_mut().chain(lines.values_mut().flatten()).filter(|lent| handles.contains(&lent.handle)) {
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
                    gone.extend(line);
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
        let State { ready, lines } = &mut *state;
        ready.drain(..).chain(lines.drain().flat_map(|(_, line)| line)).collect()
    }

    /// Returns the receipt handles of those who wait for one of this group.
    fn line(&self, group: &str) -> Vec<String> {
        let state = self.state();
        state.lines.get(group).map(|line| line.iter().map(|lent| lent.handle.clone()).collect()).unwrap_or_default()
    }

    /// One of this group is done for good.
    fn next(&self, group: &str) {
        let mut state = self.state();
        let State { ready, lines } = &mut *state;
        if let Some(line) = lines.get_mut(group) {
            match line.pop_front() {
                Some(next) => ready.push_back(next),
                None => {
                    lines.remove(group);
                    return;
                }
            }
        }
        drop(state);
        self.news.notify_one();
    }

    fn leave(&self, group: &str) -> Vec<Lent> {
        self.state().lines.remove(group).map(Vec::from).unwrap_or_default()
    }
}

/// It is out, and others of its group wait for it. Dropped, it is not done: all of them go back, and come after it.
pub(super) struct Turn {
    queue: Arc<Queue>,
    groups: Arc<Groups>,
    group: String,
    passed: bool,
}

impl Turn {
    pub(super) fn new(queue: Arc<Queue>, groups: Arc<Groups>, group: String) -> Self {
        Self { queue, groups, group, passed: false }
    }

    /// It is done for good.
    pub(super) fn pass(mut self) {
        self.passed = true;
        self.groups.next(&self.group);
    }

    /// Returns the receipt handles of those who wait for it, whose leases run too.
    pub(super) fn line(&self) -> Vec<String> {
        self.groups.line(&self.group)
    }

    /// Notes until when these are lent now.
    pub(super) fn extended(&self, handles: &[String], until: Instant) {
        self.groups.extended(handles, until);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.passed {
            give_back_soon(&self.queue, self.groups.leave(&self.group));
        }
    }
}
