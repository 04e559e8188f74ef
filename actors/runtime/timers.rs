//! The timers of one arbiter: a heap by time, swept when most of it belongs to actors that are gone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::Instant;

use super::executor::TaskId;

/// Below this many forgotten timers a sweep is not worth its while.
const SWEEP: usize = 1024;

#[derive(Default)]
pub(crate) struct Timers {
    /// The middle number keeps timers of the same instant in the order in which they were set.
    heap: BinaryHeap<Reverse<(Instant, u64, TaskId)>>,
    set: u64,
    forgotten: usize,
}

impl Timers {
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub(crate) fn insert(&mut self, when: Instant, id: TaskId) {
        self.set += 1;
        self.heap.push(Reverse((when, self.set, id)));
    }

    /// Notes that so many timers will fire for nobody; says whether it is time to sweep.
    pub(crate) fn forget(&mut self, count: usize) -> bool {
        self.forgotten += count;
        self.forgotten > SWEEP && self.forgotten > self.heap.len() / 2
    }

    pub(crate) fn sweep(&mut self, lives: impl Fn(TaskId) -> bool) {
        self.heap.retain(|Reverse((_, _, id))| lives(*id));
        self.heap.shrink_to(4 * SWEEP);
        self.forgotten = 0;
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TaskId> {
        let Reverse((when, ..)) = self.heap.peek()?;
        if *when > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, id))| id)
    }

    /// The earliest timer that somebody still waits for.
    pub(crate) fn next(&mut self, lives: impl Fn(TaskId) -> bool) -> Option<Instant> {
        while let Some(Reverse((when, _, id))) = self.heap.peek() {
            if lives(*id) {
                return Some(*when);
            }
            self.heap.pop();
            self.forgotten = self.forgotten.saturating_sub(1);
        }
        None
    }
}
