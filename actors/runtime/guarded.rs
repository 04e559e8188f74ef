//! Futures of the user's and around them: one whose panic is an answer, one of two, and one that lives as a task.

use std::any::Any;
#[cfg(feature = "testing")]
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

#[cfg(feature = "testing")]
use super::clock::is_virtual;
use super::clock::{after, now};
use super::counted::step;
use super::executor::{Executor, Task, Turn};
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

/// Drops a value of the user's, whose panic must not take the neighbors along.
pub(crate) fn drop_quietly<T>(value: T) {
    let mut value = Some(value);
    if let Some(why) = quietly_erased(&mut || drop(value.take())) {
        dropped_badly(why);
    }
}

/// Runs code of the user's, such as a `Drop`, a waker or the log, whose panic must not take the neighbors along.
pub(crate) fn quietly(run: impl FnOnce()) {
    let mut run = Some(run);
    let _ = quietly_erased(&mut || {
        if let Some(run) = run.take() {
            run();
        }
    });
}

/// What is compiled once, of all that is run or dropped quietly; says what it has panicked with.
fn quietly_erased(run: &mut dyn FnMut()) -> Option<String> {
    catch_unwind(AssertUnwindSafe(run)).err().map(|panic| {
        let why = panic_text(&*panic);
        let log = || log::error!(target: "convoke::runtime", "a value panicked while it was dropped with its actor");
        for panic in [Some(panic), catch_unwind(AssertUnwindSafe(log)).err()].into_iter().flatten() {
            // What was thrown may panic when it is dropped; what that throws is left, or it would never end.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
        }
        why
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
/// that order; after that each is polled only if it was woken, so that many who end one after the other cost no more each than
/// few.
pub(crate) async fn all<T>(
    futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>,
    is_enough: impl Fn(&T) -> bool,
) -> Vec<T> {
    let together = Arc::new(Together::default());
    let mut waiting: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    let wakers: Vec<_> =
        (0..waiting.len()).map(|place| Waker::from(Arc::new(One { place, together: together.clone() }))).collect();
    let (mut left, mut enough) = (waiting.len(), false);
    together.lock().0.extend(0..left);
    std::future::poll_fn(|cx| {
        for place in together.take_woken(cx.waker()) {
            let Some(running) = &mut waiting[place] else { continue };
            step();
            if let Poll::Ready(output) = running.as_mut().poll(&mut Context::from_waker(&wakers[place])) {
                enough |= is_enough(&output);
                done[place] = Some(output);
                waiting[place] = None;
                left -= 1;
            }
        }
        if left == 0 || enough { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Who of those that are [awaited together](all) was woken, and who is to be told of it.
#[derive(Default)]
struct Together(Mutex<(Vec<usize>, Option<Waker>)>);

impl Together {
    fn lock(&self) -> MutexGuard<'_, (Vec<usize>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those who were woken, in their order, and tells this waker of the next.
    fn take_woken(&self, waker: &Waker) -> Vec<usize> {
        let mut woken = {
            let mut known = self.lock();
            if !known.1.as_ref().is_some_and(|known| known.will_wake(waker)) {
                known.1 = Some(waker.clone());
            }
            std::mem::take(&mut known.0)
        };
        woken.sort_unstable();
        woken.dedup();
        woken
    }
}

/// One of them.
struct One {
    place: usize,
    together: Arc<Together>,
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waker = {
            let mut known = self.together.lock();
            known.0.push(self.place);
            known.1.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
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

/// Has a future polled by the runtime of this arbiter; under a seed by its executor, so that the seed says when.
#[track_caller]
pub(crate) fn spawn_beside(label: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    match Executor::here().is_some_and(|executor| executor.is_seeded()) {
        true => spawn_named(move || label.to_owned(), future),
        false => drop(tokio::spawn(future)),
    }
}

/// Under a seed lets whoever else is awake take a turn, if the seed has it so.
pub(crate) async fn give_way() {
    if !Executor::here().is_some_and(|executor| executor.is_seeded()) {
        return;
    }
    let mut has_waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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
