//! A question on its way: an event in a parcel of its own kind, with the answers that have come.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use serde_json::Value;

use super::answer::IntoAnswer;
use crate::events::event::{Address, BadPayload, Event, JsonEvent, Kind, Name, Subject};
use crate::events::hub::{EventType, Hearing};
use crate::events::listener::Way;
use crate::events::parcel::Parcel;
use crate::events::verdict::ListenerError;
use crate::runtime;

/// An event and the answers to it.
pub(crate) struct Asked<E, R> {
    pub(super) event: Arc<E>,
    pub(super) answers: Arc<Answers<R>>,
}

impl<E, R> fmt::Debug for Asked<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

/// The answers that have come, until whoever asked takes them.
pub(crate) struct Answers<R>(Mutex<Come<R>>);

struct Come<R> {
    /// By itself, because most questions have no other.
    first: Option<R>,
    others: Vec<R>,
    waker: Option<Waker>,
    /// Whoever asked is gone: nobody takes what comes now.
    unwanted: bool,
}

impl<R> Answers<R> {
    fn lock(&self) -> MutexGuard<'_, Come<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, answer: R) {
        let waker = {
            let mut come = self.lock();
            if come.unwanted {
                drop(come);
                return runtime::drop_quietly(answer);
            }
            match &come.first {
                None => come.first = Some(answer),
                Some(_) => come.others.push(answer),
            }
            come.waker.take()
        };
        if let Some(waker) = waker {
            runtime::quietly(|| waker.wake());
        }
    }

    /// Whether one has come.
    pub(super) fn has_one(&self) -> bool {
        self.lock().first.is_some()
    }

    /// Has this one told of the next.
    pub(super) fn tell(&self, waker: &Waker) {
        let before = self.lock().waker.replace(waker.clone());
        drop(before);
    }

    /// Takes those that have come: the first, and the others.
    pub(super) fn take(&self) -> (Option<R>, Vec<R>) {
        let mut come = self.lock();
        (come.first.take(), std::mem::take(&mut come.others))
    }

    /// Whoever asked is gone. The question may lie where the next of its kind is to be put into it, and what has been answered
    /// is not to lie there with it.
    pub(super) fn let_go(&self) {
        let (left, waker) = {
            let mut come = self.lock();
            come.unwanted = true;
            ((come.first.take(), std::mem::take(&mut come.others)), come.waker.take())
        };
        drop(waker);
        drop(left);
    }
}

impl<R> Default for Answers<R> {
    fn default() -> Self {
        Self(Mutex::new(Come { first: None, others: Vec::new(), waker: None, unwanted: false }))
    }
}

impl<E: Event, R: Send + 'static> Subject for Asked<E, R> {
    const ASKED: bool = true;
    // The answers go with whoever asked.
    const OWNS_NOTHING: bool = !std::mem::needs_drop::<E>();

    type Noted = E;

    fn noted(asked: &Arc<Self>) -> &Arc<E> {
        &asked.event
    }

    fn name(&self) -> Name {
        E::NAME.into()
    }

    fn topic(&self) -> Name {
        E::TOPIC.into()
    }

    fn kind(&self) -> Kind {
        self.event.kind()
    }

    fn is_personal(&self) -> bool {
        E::CONTAINS_PERSONAL_DATA
    }

    fn has_json(&self) -> bool {
        false
    }

    fn is_retained(&self) -> bool {
        false
    }

    fn address(&self) -> Address<'_> {
        Address::Type { public: None }
    }

    fn to_json(&self) -> Option<Result<Value, serde_json::Error>> {
        None
    }

    fn from_json(_: Cow<'_, JsonEvent>) -> Option<Result<Self, BadPayload>> {
        None
    }
}

/// A question is put to an answerer, and its answer is kept.
#[derive(Debug)]
pub(crate) struct Asking;

impl<E: Event, Out: IntoAnswer> Way<Asked<E, Out::Answer>, E, Out> for Asking {
    type Kept = Arc<Answers<Out::Answer>>;

    fn event(parcel: &Parcel<Asked<E, Out::Answer>>) -> &Arc<E> {
        &parcel.event.event
    }

    fn keep(parcel: &Arc<Parcel<Asked<E, Out::Answer>>>) -> Self::Kept {
        parcel.event.answers.clone()
    }

    fn finish(answers: Self::Kept, out: Out) -> Result<(), ListenerError> {
        answers.give(out.into_answer()?);
        Ok(())
    }
}

/// What an answerer of this type hears.
pub(super) fn asked<E: Event, R: 'static>() -> Hearing {
    let of = TypeId::of::<Asked<E, R>>();
    Hearing::Type { of, event: const { &EventType { name: E::NAME, topic: E::TOPIC, json: false } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_goes_with_whoever_asked_and_what_comes_later_at_once() {
        let (answers, kept) = (Answers::default(), Arc::new(()));
        (0..3).for_each(|_| answers.give(kept.clone()));
        assert!(answers.has_one());
        assert_eq!(Arc::strong_count(&kept), 4);
        answers.let_go();
        assert_eq!(Arc::strong_count(&kept), 1);
        answers.give(kept.clone());
        assert!(!answers.has_one());
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
