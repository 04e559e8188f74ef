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

/// A recorder of the events of a bus, with which a test waits for events instead of sleeping. It records the events
/// that are emitted and published from its creation on, so that an event which comes before you wait for it is not
/// missed.
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
/// - **What counts** is that an event is emitted or published, on any thread, by type or as JSON. The event is recorded
///   before any listener hears it. To see what the event causes, wait for that; or let everything come to rest with
///   [`settled`](Self::settled). A request is shown in lists, and meets no wait.
/// - **Waits follow each other.** Each wait goes on behind the last event that an earlier wait has taken, so a test
///   reads in the order of what happens. Events without a fixed order belong into one
///   [`wait_for_events`](Self::wait_for_events), or into a part of their own: [`watch`](Self::watch).
///   [`rewind`](Self::rewind) goes back to the beginning.
/// - **By topic** you see events as JSON, and no local events. **By type** you see every event of the type, and events
///   that came as JSON on the type's topic and have the type's form.
/// - **It is no listener**: reports, `bus.subscriptions()` and middleware are the same with and without it, and it does
///   not keep the bus alive. Dropping it removes it without a trace.
/// - **Its record is bounded**: it keeps the last 10,000 events, unless [`keeping`](Self::keeping) sets another number.
#[must_use = "it records from now on until it is dropped: give it a name"]
pub struct EventSynchronizer {
    hub: Arc<Hub>,
    pub(crate) recorder: Arc<Recorder>,
    /// The number of the last event that a wait has taken.
    pub(crate) taken: u64,
}

impl EventSynchronizer {
    /// Creates a synchronizer that records every event of this bus from now on.
    pub fn new(bus: &EventBus) -> Self {
        Self::recording(&bus.line().hub, Recorder::new(Filter::All, runtime::now(), false))
    }

    fn recording(hub: &Arc<Hub>, recorder: Arc<Recorder>) -> Self {
        hub.tap(recorder.clone());
        Self { hub: hub.clone(), recorder, taken: 0 }
    }

    /// Sets how many events are kept. Beyond that number the oldest are forgotten. The default is 10,000; zero counts
    /// as 1.
    pub fn keeping(self, events: usize) -> Self {
        self.recorder.set_limit(events);
        self
    }

    /// Returns a part that records the events on these topics from now on, and has waits of its own. An event that a
    /// wait of one takes is still ahead of the other. The part counts time from the creation of this synchronizer.
    ///
    /// # Errors
    ///
    /// Returns an error if one of the patterns is invalid.
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

    /// Waits for an event on a topic of this pattern, which you see as JSON: `sync.wait_for_event("orders/*").await?`.
    ///
    /// # Errors
    ///
    /// Returns [`Unmet`], with what was awaited and what came instead, after 5 s or the time that
    /// [`timeout`](WaitForEvent::timeout) sets; and at once if the pattern is invalid.
    pub fn wait_for_event<'a>(&'a mut self, pattern: &str) -> WaitForEvent<'a> {
        let want = by_topic(pattern).map(|want| vec![want]);
        WaitForEvent(Wait::new(self, want))
    }

    /// Waits for an event of this type: `sync.wait_for::<OrderPlaced>().when(|order| order.id == 7).await?`. The result
    /// dereferences to the event, and returns when it was emitted: `order.at()`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`wait_for_event`](Self::wait_for_event).
    pub fn wait_for<E: Event>(&mut self) -> WaitFor<'_, E> {
        WaitFor::new(Wait::new(self, Ok(vec![by_type::<E>()])))
    }

    /// Waits for an event of each of these patterns, and returns the events in the order of the patterns. The events
    /// may come in any order, unless you call [`in_order`](WaitForEvents::in_order). Each event meets one pattern, so
    /// the same pattern twice waits for two events.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`wait_for_event`](Self::wait_for_event).
    pub fn wait_for_events<'a>(&'a mut self, patterns: impl Patterns) -> WaitForEvents<'a> {
        let patterns = patterns.patterns().map_err(no_pattern);
        let wants = patterns.map(|patterns| patterns.into_iter().map(on_topics_of).collect());
        WaitForEvents(Wait::new(self, wants))
    }

    /// Asserts that no event comes on these topics: neither since the last event that a wait has taken, nor within the
    /// time that [`within`](ExpectNone::within) sets. It takes no event.
    ///
    /// # Errors
    ///
    /// Returns [`Unmet`] as soon as an event comes, or if a pattern is invalid.
    pub fn expect_none(&mut self, patterns: impl Patterns) -> ExpectNone<'_> {
        let patterns = patterns.patterns().map_err(no_pattern);
        let wants = patterns.map(|patterns| patterns.into_iter().map(on_topics_of).collect());
        ExpectNone(Wait::new(self, wants))
    }

    /// Asserts that no event of this type comes. See [`expect_none`](Self::expect_none).
    ///
    /// # Errors
    ///
    /// Returns [`Unmet`] as soon as an event comes.
    pub fn expect_none_of<E: Event>(&mut self) -> ExpectNone<'_> {
        ExpectNone(Wait::new(self, Ok(vec![by_type::<E>()])))
    }

    /// Waits until nothing is in flight: no event is queued, no call of a listener is in progress, and no actor of
    /// Convoke on this arbiter has anything left to do except to wait for time to pass.
    ///
    /// # Errors
    ///
    /// Returns [`Unsettled`](super::Unsettled), with what is still in flight, after 5 s or the time that
    /// [`timeout`](Settled::timeout) sets.
    pub fn settled(&self) -> Settled<'_> {
        Settled::new(&self.hub, &self.recorder)
    }

    /// Returns all recorded events that are still kept, in the order in which they came.
    pub fn seen(&self) -> Vec<Seen> {
        self.recorder.all()
    }

    /// Makes the next wait look again at all events that are still kept.
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
