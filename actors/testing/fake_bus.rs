//! A bus that calls nobody: it records what is emitted on it, for the test to assert.
//!
//! `code under test → FakeBus::bus → Recorder → assert_emitted, emitted`

use std::fmt;
use std::sync::Arc;

use super::recorder::{Filter, Recorder};
use super::seen::Seen;
use crate::events::IntoAnswer;
use crate::events::bus::EventBus;
use crate::events::event::Event;
use crate::events::listener::Function;
use crate::events::parcel::Tap;
use crate::events::seats::Subscription;
use crate::events::topics::Pattern;
use crate::runtime;

/// A stand-in for a bus and all its listeners. It records what the code under test emits, publishes or requests, and
/// calls no listener.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use convoke::testing::FakeBus;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderClosed {
/// #     id: u64,
/// # }
/// fn place_order(id: u64, bus: &EventBus) -> Result<(), PublishError> {
///     bus.publish(OrderPlaced { id })?;
///     Ok(())
/// }
///
/// let fake = FakeBus::new();
/// place_order(7, &fake.bus())?;
/// fake.assert_emitted::<OrderPlaced>(|order| order.id == 7);
/// fake.assert_not_emitted::<OrderClosed>();
/// # Ok::<(), PublishError>(())
/// ```
///
/// Listeners can be registered, and are not called. Nothing is retained. An emission returns an empty report, and a
/// request fails with `NoAnswerer`, unless [`answering`](Self::answering) sets an answer. A fake bus needs no actix
/// system.
///
/// An assertion that fails panics at the line of the test, with a list of what was emitted. The last 10,000 events are
/// kept, unless [`keeping`](Self::keeping) sets another number.
pub struct FakeBus {
    bus: EventBus,
    recorder: Arc<Recorder>,
    answerers: Vec<Subscription>,
}

impl FakeBus {
    /// Creates a fake bus.
    #[expect(clippy::new_without_default, reason = "a test says what it makes")]
    pub fn new() -> Self {
        Self::of(EventBus::default())
    }

    /// Stands in for all listeners of this bus, from now on and for good. Use it for a bus whose container the code
    /// needs.
    pub fn of(bus: EventBus) -> Self {
        let recorder = Recorder::new(Filter::All, runtime::now(), true);
        bus.line().hub.tap(recorder.clone());
        Self { bus, recorder, answerers: Vec::new() }
    }

    /// Sets how many events are kept. Beyond that number the oldest are forgotten. The default is 10,000; zero counts
    /// as 1.
    pub fn keeping(self, events: usize) -> Self {
        self.recorder.set_limit(events);
        self
    }

    /// Answers requests with this answerer: `.answering(|asked: &PriceAsked| Answer(Quote(3)))`. From then on, other
    /// answerers that are registered on the bus are called as well.
    ///
    /// # Panics
    ///
    /// Panics if this thread has no actix system, or the answerer needs something that is not provided.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn answering<E: Event, Out: IntoAnswer, Kind>(mut self, answerer: impl Function<E, Out, Kind>) -> Self {
        match self.bus.answer(answerer) {
            Ok(answerer) => self.answerers.push(answerer),
            Err(error) => panic!("{error}"),
        }
        // The bus asks a tap once whether it stands in.
        let (hub, tap): (_, Arc<dyn Tap>) = (&self.bus.line().hub, self.recorder.clone());
        self.recorder.let_answer();
        hub.untap(&tap);
        hub.tap(tap);
        self
    }

    /// Returns the bus, to pass to the code under test.
    pub fn bus(&self) -> EventBus {
        self.bus.clone()
    }

    /// Returns everything that is recorded, requests too, in the order in which it came.
    pub fn seen(&self) -> Vec<Seen> {
        self.recorder.all()
    }

    /// Returns the events of this type that were emitted or published, including those that came as JSON on the type's
    /// topic.
    pub fn emitted<E: Event>(&self) -> Vec<Arc<E>> {
        self.events().filter_map(|seen| seen.event()).collect()
    }

    /// Returns the events that were emitted or published on a topic of this pattern. Local events are not among them.
    ///
    /// # Panics
    ///
    /// Panics if the pattern is invalid.
    #[track_caller]
    pub fn emitted_on(&self, pattern: &str) -> Vec<Seen> {
        let pattern = pattern_of(pattern);
        self.events().filter(|seen| is_on(seen, &pattern)).collect()
    }

    /// Returns the events of this type that were requested.
    pub fn requested<E: Event>(&self) -> Vec<Arc<E>> {
        self.seen().iter().filter(|seen| seen.is_request()).filter_map(Seen::event).collect()
    }

    /// Asserts that an event of this type for which the condition is true was emitted or published.
    ///
    /// # Panics
    ///
    /// Panics if there was none.
    #[track_caller]
    pub fn assert_emitted<E: Event>(&self, condition: impl Fn(&E) -> bool) {
        let of_type = |seen: &Seen| !seen.is_request() && seen.event::<E>().is_some();
        let true_of = |seen: &Seen| seen.event::<E>().is_some_and(|event| condition(&event));
        self.assert_one(E::NAME, "emitted", of_type, true_of);
    }

    /// Asserts that an event for which the condition is true was emitted or published on a topic of this pattern.
    ///
    /// # Panics
    ///
    /// Panics if there was none, or if the pattern is invalid.
    #[track_caller]
    pub fn assert_emitted_on(&self, pattern: &str, condition: impl Fn(&Seen) -> bool) {
        let on = pattern_of(pattern);
        self.assert_one(pattern, "emitted", |seen| !seen.is_request() && is_on(seen, &on), condition);
    }

    /// Asserts that an event of this type for which the condition is true was requested.
    ///
    /// # Panics
    ///
    /// Panics if there was none.
    #[track_caller]
    pub fn assert_requested<E: Event>(&self, condition: impl Fn(&E) -> bool) {
        let of_type = |seen: &Seen| seen.is_request() && seen.event::<E>().is_some();
        let true_of = |seen: &Seen| seen.event::<E>().is_some_and(|event| condition(&event));
        self.assert_one(E::NAME, "requested", of_type, true_of);
    }

    /// Asserts that no event of this type was emitted or published.
    ///
    /// # Panics
    ///
    /// Panics if there was one, or if events were forgotten because more came than are kept.
    #[track_caller]
    pub fn assert_not_emitted<E: Event>(&self) {
        self.assert_none(E::NAME, |seen| !seen.is_request() && seen.event::<E>().is_some());
    }

    /// Asserts that no event was emitted or published on a topic of this pattern.
    ///
    /// # Panics
    ///
    /// Panics as [`assert_not_emitted`](Self::assert_not_emitted) does, and if the pattern is invalid.
    #[track_caller]
    pub fn assert_not_emitted_on(&self, pattern: &str) {
        let on = pattern_of(pattern);
        self.assert_none(pattern, |seen| !seen.is_request() && is_on(seen, &on));
    }

    /// Asserts that nothing was emitted, published or requested.
    ///
    /// # Panics
    ///
    /// Panics if something was.
    #[track_caller]
    pub fn assert_nothing_emitted(&self) {
        if !self.seen().is_empty() {
            self.fail("something was emitted, and nothing was to be", |_| None);
        }
    }

    /// Forgets everything that is recorded, for the next step of a test.
    pub fn clear(&self) {
        self.recorder.clear();
    }

    fn events(&self) -> impl Iterator<Item = Seen> {
        self.seen().into_iter().filter(|seen| !seen.is_request())
    }

    #[track_caller]
    fn assert_one(&self, name: &str, done: &str, kind: impl Fn(&Seen) -> bool, condition: impl Fn(&Seen) -> bool) {
        let seen = self.seen();
        if seen.iter().any(|seen| kind(seen) && condition(seen)) {
            return;
        }
        let which = if seen.iter().any(&kind) { " of which the condition is true" } else { "" };
        let mark = |seen: &Seen| kind(seen).then_some("the condition is not true of it");
        self.fail(&format!("no `{name}` was {done}{which}"), mark);
    }

    #[track_caller]
    fn assert_none(&self, name: &str, kind: impl Fn(&Seen) -> bool) {
        if self.seen().iter().any(&kind) {
            let mark = |seen: &Seen| kind(seen).then_some("this was not to be");
            self.fail(&format!("`{name}` was emitted, and was not to be"), mark);
        }
        if self.recorder.forgotten() > 0 {
            let what =
                format!("whether `{name}` was emitted is not known, for more events came than are kept: say `keeping`");
            self.fail(&what, |_| None);
        }
    }

    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn fail(&self, what: &str, mark: impl Fn(&Seen) -> Option<&'static str>) -> ! {
        match self.recorder.list(|seen| mark(seen).map(str::to_owned)) {
            list if list.is_empty() => panic!("{what}\nnothing was emitted"),
            list => panic!("{what}\nwhat was emitted:{list}"),
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
fn pattern_of(text: &str) -> Pattern {
    match Pattern::new(text) {
        Ok(pattern) => pattern,
        Err(error) => panic!("{error}"),
    }
}

fn is_on(seen: &Seen, pattern: &Pattern) -> bool {
    seen.has_json() && pattern.matches(&seen.topic())
}

/// Stops recording. The bus may live on: it still calls no listener, and keeps nothing of what comes.
impl Drop for FakeBus {
    fn drop(&mut self) {
        self.recorder.close();
    }
}

impl fmt::Debug for FakeBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeBus").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}
