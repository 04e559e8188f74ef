//! An alarm for who waits for another thread: by the real clock, wherever it is polled.
//!
//! `Alarm → Bell (a thread of its own, started with the first alarm) → waker`
//!
//! A timer of tokio's will not do: whoever emits may be polled without a runtime, or by one without a clock, and in a test
//! whose clock jumps the other thread would have no time at all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::clock::FOREVER;
use super::guarded::{drop_quietly, quietly};

/// So many alarms hang before it is looked for those that nobody waits for any more.
const SWEEP: usize = 1024;

static BELL: Bell = Bell {
    state: Mutex::new(State { hung: Vec::new(), next: None, sweep_at: SWEEP, runs: false }),
    changed: Condvar::new(),
};

struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// In no order. Most are taken down long before their time, by being dropped.
    hung: Vec<(Instant, Weak<Mutex<Rope>>)>,
    /// When the thread looks next.
    next: Option<Instant>,
    sweep_at: usize,
    runs: bool,
}

#[derive(Default)]
struct Rope {
    rung: bool,
    waker: Option<Waker>,
}

/// The time of the real clock, also where a test has stopped the other.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn real_now() -> Instant {
    Instant::now()
}

/// `start + wait`, but never past what an `Instant` can hold.
pub(crate) fn real_after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOREVER)
}

/// Rings once, at its time; dropped before, never.
pub(crate) struct Alarm(Arc<Mutex<Rope>>);

impl Alarm {
    pub(crate) fn at(due: Instant) -> Self {
        let rope = Arc::default();
        BELL.hang(due, Arc::downgrade(&rope));
        Self(rope)
    }

    /// Whether it has rung; if not, this task is woken when it does.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<()> {
        let mut rope = lock(&self.0);
        if rope.rung {
            return Poll::Ready(());
        }
        if rope.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return Poll::Pending;
        }
        // The user's code, and so not dropped under the lock.
        let before = rope.waker.replace(waker.clone());
        drop(rope);
        drop_quietly(before);
        Poll::Pending
    }
}

/// What the future gives, or `None` if it takes longer than this by the real clock.
pub(crate) async fn really_within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let due = real_after(real_now(), limit);
    let mut future = std::pin::pin!(future);
    let mut alarm = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        alarm.get_or_insert_with(|| Alarm::at(due)).poll(cx.waker()).map(|()| None)
    })
    .await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bell {
    fn hang(&'static self, due: Instant, rope: Weak<Mutex<Rope>>) {
        let mut state = lock(&self.state);
        if state.hung.len() >= state.sweep_at {
            state.hung.retain(|(_, rope)| rope.strong_count() > 0);
            state.sweep_at = SWEEP.max(2 * state.hung.len());
        }
        state.hung.push((due, rope));
        if state.next.is_none_or(|next| due < next) {
            state.next = Some(due);
            self.changed.notify_one();
        }
        if !state.runs {
            let thread = std::thread::Builder::new().name("convoke-bell".to_owned());
            state.runs = thread.spawn(move || self.ring()).is_ok();
            if !state.runs {
                drop(state);
                quietly(|| {
                    log::error!(
                        target: "convoke::runtime",
                        "no thread can be started: who waits for another arbiter waits without a deadline"
                    );
                });
            }
        }
    }

    fn ring(&self) {
        let mut state = lock(&self.state);
        loop {
            let now = real_now();
            let mut due = Vec::new();
            state.hung.retain(|(when, rope)| {
                if *when <= now {
                    due.extend(rope.upgrade());
                }
                *when > now && rope.strong_count() > 0
            });
            state.next = state.hung.iter().map(|(when, _)| *when).min();
            if !due.is_empty() {
                drop(state);
                for rope in due {
                    let waker = {
                        let mut rope = lock(&rope);
                        rope.rung = true;
                        rope.waker.take()
                    };
                    // The last of a rope has no waker any more, and so no code of the user's.
                    drop(rope);
                    if let Some(waker) = waker {
                        quietly(|| waker.wake());
                    }
                }
                state = lock(&self.state);
                continue;
            }
            state = match state.next {
                Some(next) => {
                    let wait = next.saturating_duration_since(now);
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
