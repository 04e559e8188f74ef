//! Waits for events, in a test: what has come since it was made, and what is still to come.
//!
//! `bus → Recorder → EventSynchronizer → waits.rs (which event, how long) → wait.rs`

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use super::settled::Settled;
use super::unmet::Unmet;
use super::wait::{Wait, Want};
use super::waits::{ExpectNone, WaitFor, WaitForEvent, WaitForEvents};
use crate::events::bus::EventBus;
use crate::events::event::Event;
use crate::events::hub::Hub;
use crate::events::parcel::Tap;
use crate::events::seats::forget_routes;
use crate::events::topics::{Pattern, Patterns, TopicError};
use crate::runtime;
use crate::testing::{Filter, Recorder, Seen};

/// Waits for the events of a bus, instead of sleeping: it records what is emitted and published from its creation on,
/// so that an event which comes before somebody waits for it is not missed.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use convoke::testing::EventSynchronizer;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(topic = "orders/placed")]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let mut sync = EventSynchronizer::new(&bus);
/// bus.publish(OrderPlaced { id: 7 })?;
///
/// let seen = sync.wait_for_event("orders/*").await?;
/// assert_eq!((seen.topic().as_str(), &seen["id"]), ("orders/placed", &7.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// - **What counts** is that an event is emitted or published, on whatever thread, by type or as JSON: it is recorded
///   before anybody hears it. For what it causes, wait for that; or let everything come to rest with
///   [`settled`](Self::settled). What is requested is shown in lists, and meets no wait.
/// - **Waits follow each other.** Each goes on behind the last event that an earlier one has taken, so a test reads as
///   what happens: this, and then that. What has no order belongs into one [`wait_for_events`](Self::wait_for_events),
///   or into a part of its own: [`watch`](Self::watch). [`rewind`](Self::rewind) goes back to the beginning.
/// - **By topic** an event is seen as JSON, and a local one is not; **by type** every event of the type is, and what
///   came as JSON on its topic and has its form.
/// - **It is no listener**: reports, `bus.subscriptions()` and middleware are the same with it as without, and it does
///   not hold the bus. When it is dropped nothing is left of it.
/// - **Its record is bounded**: the last 10,000 events, unless [`keeping`](Self::keeping) says another number.
#[must_use = "it records from now on until it is dropped: give it a name"]
pub struct EventSynchronizer {
    hub: Arc<Hub>,
    pub(crate) recorder: Arc<Recorder>,
    /// The number of the last event that a wait has taken.
    pub(crate) taken: u64,
}

impl EventSynchronizer {
    /// Makes one that records every event of this bus from now on.
    pub fn new(bus: &EventBus) -> Self {
        Self::recording(&bus.line().hub, Recorder::new(Filter::All, runtime::now(), false))
    }

    fn recording(hub: &Arc<Hub>, recorder: Arc<Recorder>) -> Self {
        hub.tap(recorder.clone());
        Self { hub: hub.clone(), recorder, taken: 0 }
    }

    /// Sets how many events it keeps: of more, it forgets the oldest. The default is 10,000; zero counts as 1.
    pub fn keeping(self, events: usize) -> Self {
        self.recorder.set_limit(events);
        self
    }

    /// Returns a part that records what comes on these topics from now on, with waits of its own: what one of them
    /// takes, the other has still before it. It counts time from when this one was made.
    ///
    /// # Errors
    ///
    /// If one of them is no pattern.
    pub fn watch(&self, patterns: impl Patterns) -> Result<Self, TopicError> {
        Ok(self.part(Filter::Topics(patterns.patterns()?)))
    }

    /// Returns a part that records the events of one type from now on. See [`watch`](Self::watch).
    pub fn watch_type<E: Event>(&self) -> Self {
        self.part(Filter::Type { of: TypeId::of::<E>(), topic: if E::LOCAL { "" } else { E::TOPIC } })
    }

    fn part(&self, filter: Filter) -> Self {
        Self::recording(&self.hub, Recorder::new(filter, self.recorder.began, false))
    }

    /// Waits for an event on a topic of this pattern, which is seen as JSON: `sync.wait_for_event("orders/*").await?`.
    ///
    /// # Errors
    ///
    /// What was awaited and what came instead, after 5 s or what [`timeout`](WaitForEvent::timeout) says; if it is
    /// no pattern.
    pub fn wait_for_event<'a>(&'a mut self, pattern: &str) -> WaitForEvent<'a> {
        let want = by_topic(pattern).map(|want| vec![want]);
        WaitForEvent(Wait::new(self, want))
    }

    /// Waits for an event of this type: `sync.wait_for::<OrderPlaced>().when(|order| order.id == 7).await?`. What comes is
    /// read as the event, and says when it was emitted: `order.at()`.
    ///
    /// # Errors
    ///
    /// As for [`wait_for_event`](Self::wait_for_event).
    pub fn wait_for<E: Event>(&mut self) -> WaitFor<'_, E> {
        WaitFor::new(Wait::new(self, Ok(vec![by_type::<E>()])))
    }

    /// Waits for an event of each of these patterns, in any order unless
    /// [`in_order`](WaitForEvents::in_order) is said, and returns them in the order of the patterns. Each event meets one
    /// pattern, so the same pattern twice waits for two.
    ///
    /// # Errors
    ///
    /// As for [`wait_for_event`](Self::wait_for_event).
    pub fn wait_for_events<'a>(&'a mut self, patterns: impl Patterns) -> WaitForEvents<'a> {
        let patterns = patterns.patterns().map_err(no_pattern);
        let wants = patterns.map(|patterns| patterns.into_iter().map(on_topics_of).collect());
        WaitForEvents(Wait::new(self, wants))
    }

    /// Makes sure that no event comes on these topics: neither since what the last wait has taken, nor
    /// [`within`](ExpectNone::within) the time that is given. It takes nothing.
    ///
    /// # Errors
    ///
    /// As soon as one comes; if it is no pattern.
    pub fn expect_none(&mut self, patterns: impl Patterns) -> ExpectNone<'_> {
        let patterns = patterns.patterns().map_err(no_pattern);
        let wants = patterns.map(|patterns| patterns.into_iter().map(on_topics_of).collect());
        ExpectNone(Wait::new(self, wants))
    }

    /// Makes sure that no event of this type comes. See [`expect_none`](Self::expect_none).
    ///
    /// # Errors
    ///
    /// As soon as one comes.
    pub fn expect_none_of<E: Event>(&mut self) -> ExpectNone<'_> {
        ExpectNone(Wait::new(self, Ok(vec![by_type::<E>()])))
    }

    /// Waits until nothing is in flight: no event is queued, no call of a listener is under way, and no actor of ours
    /// on this arbiter has anything left to do but to wait for time to pass.
    ///
    /// # Errors
    ///
    /// What is still in flight, after 5 s or what [`timeout`](Settled::timeout) says.
    pub fn settled(&self) -> Settled<'_> {
        Settled::new(&self.hub, &self.recorder)
    }

    /// Returns all that it has recorded and still keeps, in the order in which it came.
    pub fn seen(&self) -> Vec<Seen> {
        self.recorder.all()
    }

    /// Has the next wait look at everything again that is still kept.
    pub fn rewind(&mut self) {
        self.taken = 0;
    }
}

fn no_pattern(error: TopicError) -> Unmet {
    Unmet::new(error.to_string(), Vec::new())
}

fn by_topic<'a>(pattern: &str) -> Result<Want<'a>, Unmet> {
    Pattern::new(pattern).map(on_topics_of).map_err(no_pattern)
}

fn on_topics_of<'a>(pattern: Pattern) -> Want<'a> {
    let name = pattern.to_string();
    Want::new(name, move |seen| seen.has_json() && pattern.matches(&seen.topic()))
}

fn by_type<'a, E: Event>() -> Want<'a> {
    Want::new(E::NAME.to_owned(), |seen| seen.event::<E>().is_some())
}

impl Drop for EventSynchronizer {
    fn drop(&mut self) {
        let tap: Arc<dyn Tap> = self.recorder.clone();
        self.hub.untap(&tap);
        self.recorder.close();
        forget_routes(&self.hub);
    }
}

impl fmt::Debug for EventSynchronizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSynchronizer").field("recorder", &self.recorder).field("taken", &self.taken).finish()
    }
}
