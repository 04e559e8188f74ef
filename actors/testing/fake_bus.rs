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

/// Stands in for a bus and all who listen to it: what code under test emits, publishes or requests is recorded, and
/// nobody is called.
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
///     bus.publish(OrderPlaced { id })
/// }
///
/// let fake = FakeBus::new();
/// place_order(7, &fake.bus())?;
/// fake.assert_emitted::<OrderPlaced>(|order| order.id == 7);
/// fake.assert_not_emitted::<OrderClosed>();
/// # Ok::<(), PublishError>(())
/// ```
///
/// Listeners can be registered, and are not called; nothing is retained. An emission has an empty report, and a request
/// fails with `NoAnswerer`, unless [`answering`](Self::answering) says what is answered. It needs no actix system.
///
/// An assertion that fails panics at the line of the test, with a list of what was emitted. The last 10,000 events are
/// kept, unless [`keeping`](Self::keeping) says another number.
pub struct FakeBus {
    bus: EventBus,
    recorder: Arc<Recorder>,
    answerers: Vec<Subscription>,
}

impl FakeBus {
    /// Makes one.
    #[expect(clippy::new_without_default, reason = "a test says what it makes")]
    pub fn new() -> Self {
        Self::of(EventBus::default())
    }

    /// Stands in for all who listen to this bus, from now on and for good: for a bus whose container is needed.
    pub fn of(bus: EventBus) -> Self {
        let recorder = Recorder::new(Filter::All, runtime::now(), true);
        bus.line().hub.tap(recorder.clone());
        Self { bus, recorder, answerers: Vec::new() }
    }

    /// Sets how many events it keeps: of more, it forgets the oldest. The default is 10,000; zero counts as 1.
    pub fn keeping(self, events: usize) -> Self {
        self.recorder.set_limit(events);
        self
    }

    /// Has requests answered so: `.answering(|asked: &PriceAsked| Answer(Quote(3)))`. From then on answerers are called
    /// that are registered on its bus.
    ///
    /// # Panics
    ///
    /// If there is no actix system on this thread, or something is asked for that is not provided.
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

    /// Returns the bus, for the code under test.
    pub fn bus(&self) -> EventBus {
        self.bus.clone()
    }

    /// Returns all that is recorded, requests too, in its order.
    pub fn seen(&self) -> Vec<Seen> {
        self.recorder.all()
    }

    /// Returns the events of this type that were emitted or published, also as JSON on their topic.
    pub fn emitted<E: Event>(&self) -> Vec<Arc<E>> {
        self.events().filter_map(|seen| seen.event()).collect()
    }

    /// Returns the events that were emitted or published on a topic of this pattern; but no local ones.
    ///
    /// # Panics
    ///
    /// If it is no pattern.
    #[track_caller]
    pub fn emitted_on(&self, pattern: &str) -> Vec<Seen> {
        let pattern = pattern_of(pattern);
        self.events().filter(|seen| is_on(seen, &pattern)).collect()
    }

    /// Returns the events of this type that were requested.
    pub fn requested<E: Event>(&self) -> Vec<Arc<E>> {
        self.seen().iter().filter(|seen| seen.is_request()).filter_map(Seen::event).collect()
    }

    /// Makes sure that an event of this type was emitted or published of which this is true.
    ///
    /// # Panics
    ///
    /// If none was.
    #[track_caller]
    pub fn assert_emitted<E: Event>(&self, condition: impl Fn(&E) -> bool) {
        let of_type = |seen: &Seen| !seen.is_request() && seen.event::<E>().is_some();
        let true_of = |seen: &Seen| seen.event::<E>().is_some_and(|event| condition(&event));
        self.assert_one(E::NAME, "emitted", of_type, true_of);
    }

    /// Makes sure that an event was emitted or published on a topic of this pattern of which this is true.
    ///
    /// # Panics
    ///
    /// If none was; if it is no pattern.
    #[track_caller]
    pub fn assert_emitted_on(&self, pattern: &str, condition: impl Fn(&Seen) -> bool) {
        let on = pattern_of(pattern);
        self.assert_one(pattern, "emitted", |seen| !seen.is_request() && is_on(seen, &on), condition);
    }

    /// Makes sure that an event of this type was requested of which this is true.
    ///
    /// # Panics
    ///
    /// If none was.
    #[track_caller]
    pub fn assert_requested<E: Event>(&self, condition: impl Fn(&E) -> bool) {
        let of_type = |seen: &Seen| seen.is_request() && seen.event::<E>().is_some();
        let true_of = |seen: &Seen| seen.event::<E>().is_some_and(|event| condition(&event));
        self.assert_one(E::NAME, "requested", of_type, true_of);
    }

    /// Makes sure that no event of this type was emitted or published.
    ///
    /// # Panics
    ///
    /// If one was; if events are forgotten, because more came than are kept.
    #[track_caller]
    pub fn assert_not_emitted<E: Event>(&self) {
        self.assert_none(E::NAME, |seen| !seen.is_request() && seen.event::<E>().is_some());
    }

    /// Makes sure that no event was emitted or published on a topic of this pattern.
    ///
    /// # Panics
    ///
    /// As for [`assert_not_emitted`](Self::assert_not_emitted); if it is no pattern.
    #[track_caller]
    pub fn assert_not_emitted_on(&self, pattern: &str) {
        let on = pattern_of(pattern);
        self.assert_none(pattern, |seen| !seen.is_request() && is_on(seen, &on));
    }

    /// Makes sure that nothing at all was emitted, published or requested.
    ///
    /// # Panics
    ///
    /// If something was.
    #[track_caller]
    pub fn assert_nothing_emitted(&self) {
        if !self.seen().is_empty() {
            self.fail("something was emitted, and nothing was to be", |_| None);
        }
    }

    /// Forgets what is recorded, for the next step of a test.
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

/// Its bus may live on, and still calls nobody, but keeps nothing of what comes.
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
