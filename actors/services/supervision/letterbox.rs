//! A queue of one reader that anybody may push to, from any thread. Each keeper has one, so it is small: a channel of tokio's
//! takes two kilobytes before anything is sent, and most keepers are told nothing until the end.
//!
//! `Way::push (any thread) → Letterbox::next`

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::runtime::{drop_quietly, quietly};

/// The reader. Dropped, it is closed, and what waits is dropped with it.
pub(super) struct Letterbox<T>(Arc<Mutex<State<T>>>);

/// By which one pushes.
pub(super) struct Way<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    waiting: VecDeque<T>,
    reader: Option<Waker>,
    closed: bool,
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Letterbox<T> {
    pub(super) fn new() -> (Way<T>, Self) {
        let state = Arc::new(Mutex::new(State { waiting: VecDeque::new(), reader: None, closed: false }));
        (Way(state.clone()), Self(state))
    }

    /// What has waited longest, if anything waits.
    pub(super) fn take(&self) -> Option<T> {
        lock(&self.0).waiting.pop_front()
    }

    /// The same; waits until something comes.
    pub(super) async fn next(&self) -> T {
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            if let Some(first) = state.waiting.pop_front() {
                return Poll::Ready(first);
            }
            if state.reader.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            let before = state.reader.replace(cx.waker().clone());
            drop(state);
            drop_quietly(before);
            Poll::Pending
        })
        .await
    }

    /// Lets nothing more in; what waits can still be taken.
    pub(super) fn close(&self) {
        let reader = {
            let mut state = lock(&self.0);
            state.closed = true;
            state.reader.take()
        };
        drop_quietly(reader);
    }
}

impl<T> Drop for Letterbox<T> {
    fn drop(&mut self) {
        self.close();
        while let Some(left) = self.take() {
            drop_quietly(left);
        }
    }
}

impl<T> Way<T> {
    /// Pushes, unless it is closed; says whether it was not.
    pub(super) fn push(&self, what: T) -> bool {
        let reader = {
            let mut state = lock(&self.0);
            if state.closed {
                return false;
            }
            state.waiting.push_back(what);
            state.reader.take()
        };
        if let Some(reader) = reader {
            quietly(|| reader.wake());
        }
        true
    }

    #[cfg(feature = "testing")]
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }
}

impl<T> Clone for Way<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use tokio::sync::oneshot;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_pushed_comes_in_order_and_wakes_the_reader_once() {
        let (way, letterbox) = Letterbox::new();
        let counting = Arc::new(Counting::default());
        let (woken, waker) = (|| counting.0.load(Ordering::Relaxed), Waker::from(counting.clone()));
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(letterbox.next()).poll(&mut cx).is_pending());
        assert!(way.push(1) && way.clone().push(2));
        assert_eq!(woken(), 1);
        assert_eq!(pin!(letterbox.next()).poll(&mut cx), Poll::Ready(1));
        assert_eq!(letterbox.take(), Some(2));
        assert_eq!(letterbox.take(), None);
        assert!(pin!(letterbox.next()).poll(&mut cx).is_pending());
        std::thread::scope(|scope| drop(scope.spawn(|| way.push(3))));
        assert_eq!(woken(), 2);
        assert_eq!(letterbox.take(), Some(3));
    }

    #[test]
    fn one_that_is_closed_takes_nothing_and_keeps_what_waits() {
        let (way, letterbox) = Letterbox::new();
        assert!(way.push(1));
        letterbox.close();
        assert!(!way.push(2));
        assert_eq!((letterbox.take(), letterbox.take()), (Some(1), None));
    }

    #[test]
    fn who_waits_for_what_lies_in_one_that_is_dropped_is_told() {
        let (way, letterbox) = Letterbox::new();
        let (told, mut hears) = oneshot::channel::<()>();
        assert!(way.push(told));
        drop(letterbox);
        assert_eq!(hears.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let (told, mut hears) = oneshot::channel::<()>();
        assert!(!way.push(told));
        assert_eq!(hears.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn it_is_no_larger_than_it_must_be() {
        assert!(size_of::<Mutex<State<String>>>() <= 64, "{}", size_of::<Mutex<State<String>>>());
    }
}
