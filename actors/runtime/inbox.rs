//! An actor's own way in: a bounded queue that any thread may push to, and that wakes the actor once for a burst.
//!
//! `push → lane in the executor's table (same thread) or queue behind a lock (another) → take → the actor's turn`
//!
//! An actix mailbox costs two allocations a message and is drained whole in one poll; this costs a push, from another
//! thread a lock, and is drained as the executor says, so that a seeded test sees every order. What one thread pushes
//! stays in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::gap::gap;
use super::guarded::drop_quietly;
use super::wake::Home;

/// Why an inbox did not take an input; the input is handed back.
#[derive(Debug)]
pub(crate) enum Refused<T> {
    Closed(T),
    Full(T),
}

/// What an actor has taken out of its inbox and not handled yet, in two queues that take turns: neither the actor's own
/// thread nor the others can keep the other waiting.
///
/// A push to an inbox in which something waits wakes nobody, so a turn may end in two ways only: its budget is used up,
/// and it has another; or [`next`](Self::next) has said that there is nothing, which it does only if the inbox was looked
/// into after the last of what had been taken from it. Whatever is pushed after that look wakes the actor.
pub(crate) struct Intake<T> {
    near: VecDeque<T>,
    far: VecDeque<T>,
    from_far: bool,
    /// The last look left out a part of the inbox, because of what had been taken from there before.
    behind: bool,
}

impl<T: 'static> Intake<T> {
    pub(crate) fn new() -> Self {
        Self { near: VecDeque::new(), far: VecDeque::new(), from_far: false, behind: false }
    }

    /// Looks into the inbox: what is pushed later wakes the actor again. A part of it from which something is left here is
    /// looked into by [`next`](Self::next), when that has been handled.
    #[inline(never)]
    pub(crate) fn refill(&mut self, inbox: &Inbox<T>) {
        self.behind = !self.is_empty();
        if self.near.is_empty() {
            inbox.take_near(&mut self.near);
        }
        gap();
        if self.far.is_empty() {
            inbox.take_far(&mut self.far);
        }
    }

    /// The next input; none only if nothing waits in the inbox either, since the look with which the turn began.
    #[inline(always)]
    pub(crate) fn next(&mut self, inbox: &Inbox<T>) -> Option<T> {
        if self.is_empty() {
            if !self.is_behind() {
                return None;
            }
            self.refill(inbox);
        }
        self.pop()
    }

    /// The next of what has been taken out, which says nothing of the inbox.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.far.is_empty() { self.near.pop_front() } else { self.pop_by_turns() }
    }

    #[inline(never)]
    fn pop_by_turns(&mut self) -> Option<T> {
        self.from_far = !self.from_far;
        if self.from_far || self.near.is_empty() { self.far.pop_front() } else { self.near.pop_front() }
    }

    /// Whether something may wait in the inbox that the last look has left out.
    #[inline]
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.near.is_empty() && self.far.is_empty()
    }
}

pub(crate) struct Inbox<T> {
    home: OnceLock<Home>,
    from_afar: Mutex<Queue<T>>,
    /// Something may wait behind the lock.
    waiting: AtomicBool,
    /// How many inputs may wait that came from the actor's own thread, and as many that came from others.
    bound: usize,
}

struct Queue<T> {
    inputs: VecDeque<T>,
    closed: bool,
}

impl<T: 'static> Inbox<T> {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            home: OnceLock::new(),
            from_afar: Mutex::new(Queue { inputs: VecDeque::new(), closed: false }),
            waiting: AtomicBool::new(false),
            bound,
        }
    }

    /// Names the actor whose inbox this is.
    pub(crate) fn attach(&self, home: Home) {
        let _ = self.home.set(home);
    }

    // Inlined up to the queue, here and below: a signal that is moved from stack to stack on its way costs more than all
    // the rest of it.
    #[inline(always)]
    pub(crate) fn push(&self, input: T) -> Result<(), Refused<T>> {
        self.push_bounded(input, self.bound)
    }

    /// Pushes past the bound: for what must not be lost and is bounded elsewhere, such as one farewell per member.
    #[inline]
    pub(crate) fn push_always(&self, input: T) {
        let _ = self.push_bounded(input, usize::MAX);
    }

    /// The same from the actor's own thread, behind what others have pushed.
    pub(crate) fn push_behind_others(&self, input: T) {
        let _ = self.push_from_afar(input, usize::MAX);
    }

    #[inline(always)]
    fn push_bounded(&self, input: T, bound: usize) -> Result<(), Refused<T>> {
        match self.home.get().and_then(|home| Some((home.executor()?, home.id()))) {
            Some((executor, id)) => executor.push(id, bound, input),
            None => self.push_from_afar(input, bound),
        }
    }

    #[inline(never)]
    fn push_from_afar(&self, input: T, bound: usize) -> Result<(), Refused<T>> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Refused::Closed(input));
        }
        if queue.inputs.len() >= bound {
            return Err(Refused::Full(input));
        }
        queue.inputs.push_back(input);
        let first = !self.waiting.swap(true, Ordering::AcqRel);
        // Before it is woken: it takes the same lock first thing, and would sleep again until it is free.
        drop(queue);
        if first && let Some(home) = self.home.get() {
            home.wake_from_afar(false);
        }
        Ok(())
    }

    /// Moves what was pushed on the actor's own thread into `batch`, which is empty.
    fn take_near(&self, batch: &mut VecDeque<T>) {
        if let Some(home) = self.home.get() {
            home.here(|executor| executor.take(home.id(), batch));
        }
    }

    /// Moves what other threads have pushed into `batch`, which is empty.
    fn take_far(&self, batch: &mut VecDeque<T>) {
        if self.waiting.load(Ordering::Acquire) {
            gap();
            let mut queue = self.lock();
            self.waiting.store(false, Ordering::Release);
            std::mem::swap(&mut queue.inputs, batch);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let here = |home: &Home| home.here(|executor| executor.has_input::<T>(home.id())).unwrap_or(false);
        !self.home.get().is_some_and(here) && !self.waiting.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Refuses all that comes from now on and drops what waits, so that those who wait for an answer hear at once.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut queue = self.lock();
            queue.closed = true;
            std::mem::take(&mut queue.inputs)
        };
        // One by one: what an input does when it is dropped is not the fault of those behind it.
        waiting.into_iter().for_each(drop_quietly);
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.from_afar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::super::executor::TaskId;
    use super::super::wake::Remote;
    use super::*;

    /// An arbiter that looks into the inbox while it is woken, as one may that is fast.
    struct Fast {
        inbox: Arc<Inbox<u8>>,
        woken: AtomicUsize,
        kept_out: AtomicUsize,
    }

    impl Wake for Fast {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Ordering::Relaxed);
            self.kept_out.fetch_add(usize::from(self.inbox.from_afar.try_lock().is_err()), Ordering::Relaxed);
        }
    }

    #[test]
    fn an_arbiter_that_is_woken_finds_the_inbox_unlocked() {
        let inbox = Arc::new(Inbox::new(8));
        let fast = Arc::new(Fast { inbox: inbox.clone(), woken: AtomicUsize::new(0), kept_out: AtomicUsize::new(0) });
        let remote = Arc::new(Remote::default());
        remote.lock().driver = Some(Waker::from(fast.clone()));
        inbox.attach(Home::new(remote.clone(), TaskId::default()));
        for input in 0..3 {
            inbox.push(input).unwrap();
            remote.take(&mut Vec::new());
            inbox.take_far(&mut VecDeque::new());
        }
        inbox.push_behind_others(3);
        assert_eq!(fast.woken.load(Ordering::Relaxed), 4);
        assert_eq!(fast.kept_out.load(Ordering::Relaxed), 0);
    }
}
