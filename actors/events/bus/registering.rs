//! Who listens: a listener takes its seat, and every emission finds it from then on.
//!
//! `bus.on → a station (of this arbiter) → Post → Registry`

use std::any::TypeId;
use std::panic::Location;
use std::sync::Arc;

use super::bus::EventBus;
use crate::events::event::{Event, JsonEvent, Subject};
#[cfg(feature = "testing")]
use crate::events::hub::DeadLetter;
use crate::events::hub::{Errand, EventType, Freight, Group, Hearing, Post, Reserved, Vacancy, subject};
use crate::events::listener::{Listen, ListenError, Listening};
use crate::events::seats::{Seating, Subscription, arrive, settle};
use crate::events::topics::{Pattern, Patterns};
use crate::runtime;

impl EventBus {
    /// Registers a listener to events of type `E`. The listener also hears events that are emitted as JSON on the topic
    /// of `E`.
    ///
    /// The returned guard owns the registration: dropping it unregisters the listener. Once this method returns, the
    /// listener hears every event that is emitted, on any thread.
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::Container`] if an argument of the listener is not provided, [`ListenError::NoArbiter`] if
    /// the current thread has no actix system, [`ListenError::Full`] if the bus has its maximum number of listeners,
    /// and [`ListenError::ZeroTimeout`] if the listener's timeout is zero.
    #[track_caller]
    pub fn on<E: Event, Kind>(&self, listener: impl Listen<E, Kind>) -> Result<Subscription, ListenError> {
        self.register(listener.listening(), typed::<E>(), E::CONTAINS_PERSONAL_DATA, Location::caller())
    }

    /// Registers a listener to topics that match a pattern, or one of several patterns. In a pattern, `*` stands for
    /// one segment and `**` for any number of segments.
    ///
    /// The listener hears each event once, as JSON, whatever type it was emitted with. It hears no local events.
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::Pattern`] if a pattern is not valid, [`ListenError::NoPattern`] if there is none, and the
    /// errors of [`on`](Self::on).
    #[track_caller]
    pub fn on_topic<Kind>(
        &self,
        patterns: impl Patterns,
        listener: impl Listen<JsonEvent, Kind>,
    ) -> Result<Subscription, ListenError> {
        self.register(listener.listening(), topics(patterns)?, false, Location::caller())
    }

    /// Registers a listener to whatever has a form as JSON and whose `publisher/event` matches one of these.
    #[track_caller]
    pub(crate) fn on_names<Kind>(
        &self,
        patterns: Vec<Pattern>,
        listener: impl Listen<JsonEvent, Kind>,
    ) -> Result<Subscription, ListenError> {
        self.register(listener.listening(), Hearing::Names(patterns.into()), false, Location::caller())
    }

    #[track_caller]
    pub(crate) fn register<S: Subject>(
        &self,
        listening: Listening<S>,
        hearing: Hearing,
        personal: bool,
        place: &'static Location<'static>,
    ) -> Result<Subscription, ListenError> {
        let naming = listening.naming_at(place);
        if !runtime::is_arbiter() {
            return Err(ListenError::NoArbiter);
        }
        if listening.options.timeout.unwrap_or(self.hub().limits().listener_timeout).is_zero() {
            return Err(ListenError::ZeroTimeout { listener: naming.name() });
        }
        let hub = self.hub();
        let id = hub.registry.next_id().ok_or(ListenError::Full { limit: hub.limits().max_listeners })?;
        let station = settle(hub, &runtime::executor_here());
        let row = station.reserve_row();
        let skip_retained = listening.options.skip_retained;
        let post = Arc::new(Post::new(Vacancy {
            id,
            naming,
            hearing: hearing.clone(),
            priority: listening.options.priority,
            sees: listening.sees || !hub.middleware().is_empty() || !listening.options.middleware.is_empty(),
            personal,
            door: station.door().clone(),
            row,
            capacity: listening.options.capacity.unwrap_or(hub.limits().capacity),
            overflow: listening.options.overflow.unwrap_or(hub.limits().overflow),
            all_or_none: listening.options.all_or_none,
            selective: listening.options.when.is_some() || listening.options.unless_replayed,
            heeded: listening.heeded,
            #[cfg(feature = "testing")]
            collects: collects(&hearing, place),
            timeout: listening.options.timeout.unwrap_or(hub.limits().listener_timeout),
            rest: listening.options.rest.clone(),
        }));
        let seating = Seating { options: listening.options, hub: hub.clone(), post: post.clone() };
        match (listening.make)(seating) {
            Ok(seated) => station.seat(row, seated),
            Err(error) => {
                station.give_back_row(row);
                return Err(ListenError::Container {
                    listener: post.name().clone(),
                    hears: hearing.to_string(),
                    error,
                });
            }
        }
        let kept = hub.retained();
        hub.registry.register(&post);
        let retained: Vec<_> = match &hearing {
            _ if skip_retained => Vec::new(),
            Hearing::Type { of, event } => {
                let hears = |of_kept: TypeId| of_kept == *of || (event.json && of_kept == TypeId::of::<JsonEvent>());
                kept.of(event.topic).into_iter().filter(|parcel| hears(parcel.subject())).collect()
            }
            Hearing::Topics(patterns) => kept.matching(patterns).filter(|parcel| parcel.has_json()).cloned().collect(),
            Hearing::Names(patterns) => {
                let wanted = |name: &str| {
                    let subject = subject(&hub.given.publisher, name);
                    patterns.iter().any(|pattern| pattern.matches(&subject))
                };
                kept.all().filter(|parcel| parcel.has_json() && wanted(&parcel.name())).cloned().collect()
            }
        };
        drop(kept);
        // Logged where nothing is locked: a log may be an event.
        runtime::quietly(|| log::debug!(target: "convoke::bus", "`{}` listens to {}", post.name(), post.hearing));
        let group = Arc::new(Group::of_one(post.clone()));
        for parcel in retained {
            // There are no more of them than topics that the bus keeps, and nobody who published them could be told of one.
            let reserved = if post.refuses() { Reserved::Everybody } else { Reserved::Refusing };
            if reserved.by(&post) {
                post.reserve_beyond();
            }
            arrive(Freight::new(hub, parcel, &group, Errand::Queue { reserved }), &station);
        }
        Ok(Subscription::new(hub.clone(), post))
    }
}

/// Whether a test collects its dead letters by this: it is registered where the test stands.
#[cfg(feature = "testing")]
fn collects(hearing: &Hearing, place: &Location<'_>) -> bool {
    let of_letters = matches!(hearing, Hearing::Type { of, .. } if *of == TypeId::of::<DeadLetter>());
    of_letters && crate::base::is_in_test(place.file())
}

/// What a listener to events of this type hears.
pub(crate) fn typed<E: Event>() -> Hearing {
    let event = const { &EventType { name: E::NAME, topic: E::TOPIC, json: !E::LOCAL } };
    Hearing::Type { of: TypeId::of::<E>(), event }
}

/// What a listener to topics hears.
pub(crate) fn topics(patterns: impl Patterns) -> Result<Hearing, ListenError> {
    match patterns.patterns()? {
        patterns if patterns.is_empty() => Err(ListenError::NoPattern),
        patterns => Ok(Hearing::Topics(patterns.into())),
    }
}
