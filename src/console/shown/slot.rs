//! A question whose answer may be late, or never come: it is asked once, by one, and what is known is shown meanwhile.
//!
//! `look → is the answer fresh? ─ no: ask, unless somebody has → wait a little → the answer, its age, and for how long the next is late`

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::rt::{spawn, time};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a page waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);

/// For how long an answer is as good as a new one.
const FRESH: Duration = Duration::from_millis(900);

/// The last answer to a question, and whether it is being asked.
pub(super) struct Slot<T> {
    state: Mutex<State<T>>,
    told: Notify,
}

struct State<T> {
    answer: Option<(Instant, Arc<T>)>,
    asked_since: Option<Instant>,
}

/// What is known of an answer.
pub(super) struct Known<T> {
    pub(super) answer: Option<Arc<T>>,
    /// How old it is.
    pub(super) age: Duration,
    /// For how long a newer one is late.
    pub(super) late: Option<Duration>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { answer: None, asked_since: None }), told: Notify::new() }
    }
}

/// Whoever asks: with this the question is not asked any more, however that ends.
struct Asked<T: 'static>(Arc<Slot<T>>);

impl<T: 'static> Drop for Asked<T> {
    fn drop(&mut self) {
        self.0.state().asked_since = None;
        self.0.told.notify_waiters();
    }
}

impl<T: 'static> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, after a short wait for what is not. The question is asked on this arbiter, and outlives who looks.
    pub(super) async fn look<F: Future<Output = T> + 'static>(self: &Arc<Self>, ask: impl FnOnce() -> F) -> Known<T> {
        let now = Instant::now();
        let asks = {
            let mut state = self.state();
            let is_fresh = state.answer.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < FRESH);
            if is_fresh {
                return known(&state);
            }
            let asks = state.asked_since.is_none();
            state.asked_since.get_or_insert(now);
            asks
        };
        if asks {
            let (asked, question) = (Asked(self.clone()), ask());
            drop(spawn(async move {
                let answer = question.await;
                asked.0.state().answer = Some((Instant::now(), Arc::new(answer)));
            }));
        }
        let answered = async {
            loop {
                let mut told = std::pin::pin!(self.told.notified());
                // Before the look, or what happens between the two would be missed.
                told.as_mut().enable();
                if self.state().asked_since.is_none() {
                    return;
                }
                told.await;
            }
        };
        // Of an answer that does not come, the state says for how long.
        let _ = time::timeout(PATIENCE, answered).await;
        known(&self.state())
    }
}

fn known<T>(state: &State<T>) -> Known<T> {
    let now = Instant::now();
    let age = state.answer.as_ref().map_or(Duration::ZERO, |(at, _)| now.duration_since(*at));
    let late = state.asked_since.map(|since| now.duration_since(since));
    Known { answer: state.answer.as_ref().map(|(_, answer)| answer.clone()), age, late }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn an_answer_is_good_for_a_while_and_one_that_never_comes_is_late() {
        let system = actix_web::rt::System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
        });
        system.block_on(async {
            let slot: Arc<Slot<u32>> = Arc::default();
            let asked = AtomicU32::new(0);
            let count = || _ = asked.fetch_add(1, Ordering::Relaxed);
            let known = slot
                .look(|| {
                    count();
                    ready(1)
                })
                .await;
            assert_eq!((known.answer.as_deref(), known.late), (Some(&1), None));
            // It is good for a while.
            let known = slot
                .look(|| {
                    count();
                    ready(2)
                })
                .await;
            assert_eq!((known.answer.as_deref(), asked.load(Ordering::Relaxed)), (Some(&1), 1));
            tokio::time::advance(FRESH).await;
            let before = Instant::now();
            let known = slot
                .look(|| {
                    count();
                    pending()
                })
                .await;
            assert_eq!((known.answer.as_deref(), known.late), (Some(&1), Some(PATIENCE)));
            assert_eq!((before.elapsed(), known.age), (PATIENCE, FRESH + PATIENCE));
            // Nobody asks again, and it is late for longer.
            let known = slot
                .look(|| {
                    count();
                    ready(3)
                })
                .await;
            assert_eq!((known.late, asked.load(Ordering::Relaxed)), (Some(2 * PATIENCE), 2));
        });
    }
}
