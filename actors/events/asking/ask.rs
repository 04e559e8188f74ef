//! How a bus is asked, and who answers.

use std::panic::Location;
use std::sync::Arc;

use super::answer::IntoAnswer;
use super::asked::{Answers, Asked, Asking, asked};
use super::request::{Request, RequestAll};
use crate::events::bus::{Emitting, EventBus};
use crate::events::event::Event;
use crate::events::listener::{Function, ListenError, Listening};
use crate::events::seats::Subscription;

impl EventBus {
    /// Registers an answerer: a function of an event, like a listener, that returns [`Answer(value)`](crate::Answer) or
    /// a `Result` of the value.
    ///
    /// The answerer is called only for a [`request`](Self::request) or a [`request_all`](Self::request_all), and not
    /// for events that are emitted or published.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Event, Serialize, Deserialize)]
    /// struct PriceAsked {
    ///     item: u64,
    /// }
    ///
    /// struct Quote(u64);
    ///
    /// # actix::System::new().block_on(async {
    /// let bus = EventBus::default();
    /// let _prices = bus.answer(|asked: &PriceAsked| Answer(Quote(asked.item * 3)))?;
    /// let quote = bus.request::<Quote>(PriceAsked { item: 7 }).await?;
    /// assert_eq!(quote.0, 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`on`](Self::on).
    #[track_caller]
    pub fn answer<E: Event, Out: IntoAnswer, Kind, F: Function<E, Out, Kind>>(
        &self,
        answerer: F,
    ) -> Result<Subscription, ListenError> {
        let listening = Listening::new::<F>(F::SEES, |seating| answerer.seat::<Asked<E, Out::Answer>, Asking>(seating));
        self.register(listening, asked::<E, Out::Answer>(), E::CONTAINS_PERSONAL_DATA, Location::caller())
    }

    /// Asks all answerers of this event that return an `R`, concurrently, and resolves to the first answer.
    ///
    /// No answerer is called before the returned [`Request`] is awaited. The deadline is 30 s, unless
    /// [`Request::within`] sets another.
    ///
    /// # Errors
    ///
    /// Resolves to [`AskError::NoAnswerer`](crate::AskError::NoAnswerer) if no answerer is registered, to
    /// [`AskError::Failed`](crate::AskError::Failed) if all answerers have failed, and to
    /// [`AskError::TimedOut`](crate::AskError::TimedOut) if no answer has arrived by the deadline.
    pub fn request<R: Send + 'static>(&self, event: impl Event) -> Request<R> {
        self.ask(event, false)
    }

    /// Asks all answerers of this event that return an `R`, concurrently, and resolves to all answers.
    ///
    /// The result is ready when all answerers have answered or failed. At the deadline, it is ready with the answers
    /// that have arrived by then. The deadline is 30 s, unless [`RequestAll::within`] sets another.
    ///
    /// # Errors
    ///
    /// Resolves to the errors of [`request`](Self::request), if there is no answer at all.
    pub fn request_all<R: Send + 'static>(&self, event: impl Event) -> RequestAll<R> {
        RequestAll(self.ask(event, true))
    }

    fn ask<E: Event, R: Send + 'static>(&self, event: E, all: bool) -> Request<R> {
        let answers = Arc::new(Answers::default());
        let asked = Asked { event: Arc::new(event), answers: answers.clone() };
        Request::new(E::NAME, answers, Box::pin(Emitting::new(self.line().clone(), asked)), all)
    }
}

#[cfg(test)]
mod tests {
    use actix::System;

    use super::*;
    use crate::events::asking::Answer;

    #[derive(crate::Event)]
    #[event(local)]
    struct Asked;

    #[test]
    fn the_place_of_a_question_is_used_again_and_nothing_that_was_answered_lies_in_it() {
        System::new().block_on(async {
            let (bus, kept) = (EventBus::default(), Arc::new(()));
            let (one, other) = (kept.clone(), kept.clone());
            let _one = bus.answer(move |_: &Asked| Answer(one.clone())).unwrap();
            let _other = bus.answer(move |_: &Asked| Answer(other.clone())).unwrap();
            for _ in 0..3 {
                let answer = bus.request::<Arc<()>>(Asked).await.unwrap();
                assert_eq!(Arc::strong_count(&kept), 4, "the one that was taken");
                drop(answer);
                assert_eq!(bus.request_all::<Arc<()>>(Asked).await.unwrap().len(), 2);
                assert_eq!(Arc::strong_count(&kept), 3);
            }
        });
    }
}
