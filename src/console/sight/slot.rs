//! A question to a server, of one kind: who asks, how often, and what is known meanwhile.
//!
//! ```text
//! a page ─▶ look ─┬─ asked a moment ago ───────────────────────▶ Told: what is known, and since when
//!                 ├─ it is being asked ──▶ waits a little ─────▶
//!                 └─ nobody has asked ───▶ a task asks, in time ▶
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convoke::transport::TransportError;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{AGAIN, LIMIT, PATIENCE, SHORT};
use crate::view::told;

/// What is known of a server, at the moment in which a page is made.
#[derive(Debug)]
pub(crate) struct Told<T> {
    /// What it has said last.
    pub(crate) value: Option<Arc<T>>,
    /// How long ago that was.
    pub(crate) age: Option<Duration>,
    /// What is wrong with it, for a person.
    pub(crate) trouble: Option<String>,
}

impl<T> Told<T> {
    /// What is known of what a server has not.
    pub(crate) fn nothing() -> Self {
        Self { value: None, age: None, trouble: None }
    }
}

/// A question of one kind to one server: it is asked when somebody looks, by one at a time, and not more often than every so often.
pub(crate) struct Slot<T> {
    every: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    known: Option<(Arc<T>, Instant)>,
    trouble: Option<String>,
    /// It did not answer when it was last asked.
    is_silent: bool,
    /// When it was last asked.
    begun: Option<Instant>,
    /// Ends with the question that is under way, also if that is dropped with its thread.
    under_way: Option<watch::Receiver<()>>,
}

impl<T: Send + Sync + 'static> Slot<T> {
    pub(super) fn new(every: Duration) -> Arc<Self> {
        let state = State { known: None, trouble: None, is_silent: false, begun: None, under_way: None };
        Arc::new(Self { every, state: Mutex::new(state) })
    }

    /// Asks, unless that was done a moment ago, and tells what is known then. It waits for no longer than a page may.
    pub(super) async fn look<F>(self: &Arc<Self>, ask: impl FnOnce(Option<Arc<T>>) -> F) -> Told<T>
    where
        F: Future<Output = Result<T, TransportError>> + 'static,
    {
        if let Some((mut end, patience)) = self.begin(ask) {
            // It ends with its sender.
            let _ = timeout(patience, end.changed()).await;
        }
        self.told()
    }

    /// Begins to ask if it is time, and returns what is worth waiting for, and how long.
    fn begin<F>(self: &Arc<Self>, ask: impl FnOnce(Option<Arc<T>>) -> F) -> Option<(watch::Receiver<()>, Duration)>
    where
        F: Future<Output = Result<T, TransportError>> + 'static,
    {
        let mut state = self.state();
        let since = state.begun.map(|begun| begun.elapsed());
        if let Some(under_way) = state.under_way.clone().filter(|under_way| under_way.has_changed().is_ok()) {
            let left = PATIENCE.saturating_sub(since.unwrap_or_default());
            return (!left.is_zero()).then_some((under_way, left));
        }
        let pause = if state.is_silent { AGAIN.max(self.every) } else { self.every };
        if since.is_some_and(|since| since < pause) {
            return None;
        }
        let (end, ended) = watch::channel(());
        (state.begun, state.under_way) = (Some(Instant::now()), Some(ended.clone()));
        // Whoever has just not answered is not waited for by every page.
        let patience = if state.is_silent { SHORT } else { PATIENCE };
        let (asked, slot) = (ask(state.known.as_ref().map(|(known, _)| known.clone())), self.clone());
        drop(state);
        actix_web::rt::spawn(async move {
            let answer = timeout(LIMIT, asked).await;
            slot.note(answer.ok());
            drop(end);
        });
        Some((ended, patience))
    }

    fn note(&self, answer: Option<Result<T, TransportError>>) {
        let mut state = self.state();
        state.under_way = None;
        let is_late = state.begun.is_some_and(|begun| begun.elapsed() > PATIENCE);
        state.is_silent = is_late && !matches!(answer, Some(Ok(_)));
        match answer {
            Some(Ok(value)) => (state.known, state.trouble) = (Some((Arc::new(value), Instant::now())), None),
            Some(Err(error)) => state.trouble = Some(told(&error.to_string())),
            None => state.trouble = Some(format!("it has not answered within {} s", LIMIT.as_secs())),
        }
    }

    fn told(&self) -> Told<T> {
        let state = self.state();
        let (value, age) = match &state.known {
            Some((value, at)) => (Some(value.clone()), Some(at.elapsed())),
            None => (None, None),
        };
        let is_asked = state.under_way.as_ref().is_some_and(|under_way| under_way.has_changed().is_ok());
        let waits = state.begun.map(|begun| begun.elapsed()).filter(|_| is_asked);
        let trouble = match (&state.trouble, waits) {
            (Some(trouble), _) => Some(trouble.clone()),
            (None, Some(waits)) if waits >= SHORT => Some(format!("no answer yet, for {:.1} s", waits.as_secs_f32())),
            _ => None,
        };
        Told { value, age, trouble }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("every", &self.every).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::rc::Rc;

    use convoke::transport::ErrorKind;
    use tokio::time::{advance, pause};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(2);

    #[actix_web::test]
    async fn it_is_asked_once_a_second_however_many_look() {
        pause();
        let (slot, asked) = (Slot::new(SECOND), Rc::new(Cell::new(0)));
        let ask = || {
            let asked = asked.clone();
            move |before: Option<Arc<u32>>| async move {
                asked.set(asked.get() + 1);
                Ok(before.map_or(1, |before| *before + 1))
            }
        };
        for _ in 0..10 {
            let told = slot.look(ask()).await;
            assert_eq!((told.value.as_deref(), told.trouble), (Some(&1), None));
        }
        assert_eq!(asked.get(), 1);
        advance(SECOND).await;
        assert_eq!(slot.look(ask()).await.value.as_deref(), Some(&2));
        assert_eq!(asked.get(), 2);
    }

    #[actix_web::test]
    async fn who_hangs_holds_a_page_for_less_than_a_second_and_the_next_ones_hardly() {
        pause();
        let slot = Slot::<u32>::new(SECOND);
        let begun = Instant::now();
        let told = slot.look(|_| pending()).await;
        // A timer ends within the next millisecond.
        assert!(begun.elapsed() < PATIENCE + TICK && told.value.is_none());
        assert_eq!(told.trouble.as_deref(), Some("no answer yet, for 0.9 s"));
        // It is under way: nobody waits for it once more.
        let begun = Instant::now();
        slot.look(|_| async { panic!("it is being asked already") }).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tokio::time::sleep(LIMIT).await;
        let told = slot.look(|_| async { panic!("it is asked again after a while") }).await;
        assert_eq!(told.trouble.as_deref(), Some("it has not answered within 10 s"));
        advance(AGAIN).await;
        let begun = Instant::now();
        slot.look(|_| pending()).await;
        assert!(begun.elapsed() < SHORT + TICK);
    }

    #[actix_web::test]
    async fn what_was_said_stays_while_a_server_is_away_and_trouble_goes_when_it_is_back() {
        pause();
        let slot = Slot::new(SECOND);
        slot.look(|_| async { Ok(7) }).await;
        advance(SECOND * 2).await;
        let away = || TransportError::new(ErrorKind::Unreachable, "redis", "gone\u{1b}[31m");
        let told = slot.look(|_| async move { Err(away()) }).await;
        assert_eq!((told.value.as_deref(), told.age), (Some(&7), Some(SECOND * 2)));
        assert!(told.trouble.as_deref().is_some_and(|text| text.contains(r"gone\u{1b}[31m")), "{told:?}");
        advance(SECOND).await;
        let told = slot.look(|_| async { Ok(8) }).await;
        assert_eq!((told.value.as_deref(), told.trouble), (Some(&8), None));
    }

    #[actix_web::test]
    async fn a_question_that_is_dropped_with_its_thread_is_asked_again() {
        let slot = Slot::<u32>::new(Duration::ZERO);
        let other = slot.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                // The system ends before it is answered.
                let _ = timeout(Duration::from_millis(1), other.look(|_| pending())).await;
            });
        })
        .join()
        .unwrap();
        let told = slot.look(|_| async { Ok(1) }).await;
        assert_eq!(told.value.as_deref(), Some(&1));
    }
}
