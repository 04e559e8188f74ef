//! What has come to a probe: the messages that the test has not taken, and a line for each of the last ones.
//!
//! `probe.rs → Received → probe_handle.rs`

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::rounds::outcome::Brief;
use crate::runtime::{self, drop_quietly, quietly};
use crate::testing::look;

/// How many lines are kept.
const LISTED: usize = 20;

/// What has come to a probe. It is on one thread, with the probe and its handle.
pub(crate) struct Received<M> {
    began: Instant,
    state: RefCell<State<M>>,
}

struct State<M> {
    waiting: VecDeque<(u64, M)>,
    lines: VecDeque<Line>,
    count: u64,
    limit: usize,
    /// What the answer has panicked with.
    failure: Option<String>,
    wakers: Vec<Waker>,
}

struct Line {
    number: u64,
    at: Duration,
    text: String,
    taken: bool,
}

impl<M: 'static> Received<M> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            lines: VecDeque::new(),
            count: 0,
            limit,
            failure: None,
            wakers: Vec::new(),
        };
        Self { began: runtime::now(), state: RefCell::new(state) }
    }

    pub(crate) fn set_limit(&self, messages: usize) {
        self.state.borrow_mut().limit = messages;
    }

    /// A message has come; gives it its number.
    pub(crate) fn came(&self, text: String) -> u64 {
        let mut state = self.state.borrow_mut();
        state.count += 1;
        let line = Line { number: state.count, at: runtime::now() - self.began, text, taken: false };
        if state.lines.len() >= LISTED {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
        state.count
    }

    /// Keeps a message for the test.
    pub(crate) fn keep(&self, number: u64, message: M) {
        let forgotten = {
            let mut state = self.state.borrow_mut();
            state.waiting.push_back((number, message));
            if state.waiting.len() > state.limit { state.waiting.pop_front() } else { None }
        };
        drop_quietly(forgotten);
        self.wake();
    }

    /// The answer has panicked.
    pub(crate) fn fail(&self, text: String) {
        self.state.borrow_mut().failure = Some(text);
        self.wake();
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut self.state.borrow_mut().wakers);
        wakers.into_iter().for_each(|waker| quietly(|| waker.wake()));
    }

    /// Wakes whoever waits when the next message comes.
    pub(crate) fn wake_with(&self, waker: &Waker) {
        // Out of the borrow: a waker is somebody else's code.
        let mut wakers = std::mem::take(&mut self.state.borrow_mut().wakers);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        self.state.borrow_mut().wakers.append(&mut wakers);
    }

    /// The oldest message that is left, with its number.
    pub(crate) fn next(&self) -> Option<(u64, M)> {
        let next = self.state.borrow_mut().waiting.pop_front();
        if let Some((_, message)) = &next {
            look(message);
        }
        next
    }

    /// Takes the first message of which this is true; the others stay as they are.
    pub(crate) fn take_where(&self, mut is_wanted: impl FnMut(&M) -> bool) -> Option<(u64, M)> {
        // Out of the borrow while it is looked at: the condition is the user's code.
        let mut looked = std::mem::take(&mut self.state.borrow_mut().waiting);
        let place = looked.iter().position(|(_, message)| is_wanted(message));
        let found = place.and_then(|place| looked.remove(place));
        let mut state = self.state.borrow_mut();
        looked.append(&mut state.waiting);
        state.waiting = looked;
        if let Some((_, message)) = &found {
            look(message);
        }
        found
    }

    /// Takes all that are left.
    pub(crate) fn take_all(&self) -> Vec<M> {
        let all = std::mem::take(&mut self.state.borrow_mut().waiting);
        all.iter().for_each(|(number, message)| {
            self.taken(*number);
            look(message);
        });
        all.into_iter().map(|(_, message)| message).collect()
    }

    /// The number of the oldest message that is left.
    pub(crate) fn first_left(&self) -> Option<u64> {
        self.state.borrow().waiting.front().map(|(number, _)| *number)
    }

    /// Puts a message back that was taken out.
    pub(crate) fn put_back(&self, number: u64, message: M) {
        self.state.borrow_mut().waiting.push_front((number, message));
    }

    /// This message is the test's now, or was used up.
    pub(crate) fn taken(&self, number: u64) {
        if let Some(line) = self.state.borrow_mut().lines.iter_mut().find(|line| line.number == number) {
            line.taken = true;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.state.borrow().count
    }

    /// What the answer has panicked with.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state.borrow().failure.clone()
    }

    /// The last messages, one on each line, one of them with a mark.
    pub(crate) fn list(&self, marked: Option<(u64, &str)>) -> String {
        let state = self.state.borrow();
        let mut list = String::new();
        let earlier = state.count - state.lines.len() as u64;
        if earlier > 0 {
            list += &format!("\n  … {earlier} before them");
        }
        for Line { number, at, text, taken } in &state.lines {
            list += &format!("\n  #{number} after {} {text}", Brief(*at));
            match marked {
                Some((of, mark)) if of == *number => list += &format!("  <- {mark}"),
                _ if *taken => list += "  <- taken",
                _ => {}
            }
        }
        list
    }
}

/// Each message by itself: a second panic while the first unwinds would abort the process.
impl<M> Drop for Received<M> {
    fn drop(&mut self) {
        std::mem::take(&mut self.state.get_mut().waiting).into_iter().for_each(drop_quietly);
    }
}
