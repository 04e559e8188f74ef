//! Futures of the user's and around them: one whose panic is an answer, one of two, and one that lives as a task.

use std::any::Any;
#[cfg(feature = "testing")]
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(feature = "testing")]
use super::clock::is_virtual;
use super::clock::{after, now};
use super::executor::{Task, Turn, drop_quietly};
use super::starting::executor_here;

/// The message of a panic, as `panic!` leaves it.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "without a message".to_owned(),
    }
}

/// What a function of the user's returns, or what it panicked with.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic_text(&*panic);
        drop_quietly(panic);
        text
    })
}

/// A future of the user's: its panic is an answer, and so is one of its drop.
pub(crate) struct Guarded<F>(Option<Pin<Box<F>>>);

impl<F: Future> Guarded<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let polled = catch(|| future.as_mut().poll(cx));
        if !matches!(polled, Ok(Poll::Pending)) {
            drop_quietly(self.0.take());
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(text) => Poll::Ready(Err(text)),
        }
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        drop_quietly(self.0.take());
    }
}

/// Which of two futures was ready first.
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for one of two; if both are ready, it is the first.
pub(crate) async fn either<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> Either<A, B> {
    let mut first = pin!(first);
    let mut second = pin!(second);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = first.as_mut().poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(cx).map(Either::Second)
    })
    .await
}

/// Waits for all, or until one gives what is enough to know; returns what they have given, in their order. They begin in
/// that order.
pub(crate) async fn all<T>(
    futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>,
    is_enough: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if let Some(running) = future
                && let Poll::Ready(output) = running.as_mut().poll(cx)
            {
                *done = Some(output);
                *future = None;
            }
        }
        if waiting.iter().all(Option::is_none) || done.iter().flatten().any(&is_enough) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Waits for so long.
pub(crate) async fn sleep(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep_until(after(now(), wait)).await;
    }
}

/// Has a future polled by the executor of this arbiter, under a name.
#[track_caller]
pub(crate) fn spawn_named(label: impl Fn() -> String + 'static, future: impl Future<Output = ()> + 'static) {
    executor_here().spawn(|_| Box::new(Named { label: Box::new(label), future: Box::pin(future) }));
}

struct Named {
    label: Box<dyn Fn() -> String>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Task for Named {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()> {
        self.future.as_mut().poll(&mut Context::from_waker(&turn.waker()))
    }

    fn label(&self) -> String {
        (self.label)()
    }
}

/// How many panics of a `Drop` are kept for a test.
#[cfg(feature = "testing")]
const DROPS: usize = 100;

#[cfg(feature = "testing")]
thread_local! {
    static DROPPED_BADLY: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A value has panicked while it was dropped: a test looks at that when it ends.
#[cold]
pub(crate) fn dropped_badly(_why: String) {
    #[cfg(feature = "testing")]
    if is_virtual() {
        let _ = DROPPED_BADLY.try_with(|known| {
            let mut known = known.borrow_mut();
            if known.len() < DROPS {
                known.push(_why);
            }
        });
    }
}

/// Takes what values have panicked with while they were dropped.
#[cfg(feature = "testing")]
pub(crate) fn take_dropped_badly() -> Vec<String> {
    DROPPED_BADLY.take()
}

/// What a future is called that has no name.
#[cfg(feature = "testing")]
pub(crate) const SPAWNED: &str = "a spawned future";

/// Spawns a plain future beside the actors.
#[cfg(feature = "testing")]
#[track_caller]
pub(crate) fn spawn_future(future: impl Future<Output = ()> + 'static) {
    spawn_named(|| SPAWNED.to_owned(), future);
}
