//! Dead letters: what could not be delivered, or failed for good, kept with its reason.
//!
//! `seat, publish → Letters (a bounded ring) → DeadLetters (look, take, redrive)`

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use crate::base::Shown;
use crate::events::bus::{Hub, publishing};
use crate::events::event::{Event, Metadata};
use crate::events::listener::{ListenerError, Overflow, TooDeep};
use crate::events::parcels::{AnyParcel, current};
use crate::events::seats::Post;
use crate::runtime::{self, drop_quietly, quietly};

/// Why an event became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The listener did not do it.
    Failed(ListenerError),
    /// As many events waited for the listener as may, and this one was dropped.
    Overflow(Overflow),
    /// The listener was unregistered while the event waited for it.
    Ended,
    /// So many events wait for the listener's arbiter that it takes no more.
    Busy,
    /// The listener's arbiter was gone.
    Gone,
    /// Events have caused each other without end.
    TooDeep(TooDeep),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Overflow(Overflow::DropNewest) => {
                f.write_str("too many events wait for it, and the newest is dropped")
            }
            Self::Overflow(_) => f.write_str("too many events wait for it, and the oldest is dropped"),
            Self::Ended => f.write_str("it was unregistered while the event waited"),
            Self::Busy => f.write_str("too many events wait for its arbiter"),
            Self::Gone => f.write_str("its arbiter is gone"),
            Self::TooDeep(error) => error.fmt(f),
        }
    }
}

/// An event that was not delivered to a listener, or that a listener has failed on. An event itself, so that it can be
/// listened to: `bus.on(|letter: &DeadLetter| …)`. A dead letter that is not delivered makes no other.
#[derive(Clone)]
pub struct DeadLetter {
    /// Its number: the first of a bus is 1.
    pub id: u64,
    /// The name of the event.
    pub event: String,
    /// Where it travelled.
    pub topic: String,
    /// The listener for whom it was; none if it was stopped before anybody was called.
    pub listener: Option<Arc<str>>,
    /// Why it is here.
    pub reason: Reason,
    /// When it came here.
    pub time: SystemTime,
    /// What is known of its emission. If nobody could see that, its id and time are of when it came here.
    pub metadata: Arc<Metadata>,
    post: Option<Arc<Post>>,
    parcel: Arc<dyn AnyParcel>,
}

impl DeadLetter {
    /// Returns the event, if it is of this type.
    pub fn downcast<E: Event>(&self) -> Option<Arc<E>> {
        self.parcel.event().downcast().ok()
    }

    /// Returns the event as JSON, unless it is a local one. Personal data is not hidden here.
    pub fn payload(&self) -> Option<Value> {
        self.parcel.clone().json().ok().map(|json| json.event.payload().clone())
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = Shown::name(&self.event);
        match &self.listener {
            Some(listener) => {
                let colon = if matches!(self.reason, Reason::Failed(_)) { "" } else { ":" };
                write!(f, "dead letter {}: {event}: `{listener}`{colon} {}", self.id, self.reason)
            }
            None => write!(f, "dead letter {}: {event}: {}", self.id, self.reason),
        }
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("event", &Shown::name(&self.event))
            .field("listener", &self.listener)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Event for DeadLetter {
    const NAME: &'static str = "DeadLetter";
    const TOPIC: &'static str = "convoke/dead-letter";
    const ENTITY: &'static str = "DeadLetter";
    const LOCAL: bool = true;

    fn to_json(&self) -> Result<Value, serde_json::Error> {
        Err(serde::ser::Error::custom("a dead letter stays in its process"))
    }

    fn from_json(_: &Value) -> Result<Self, serde_json::Error> {
        Err(serde::de::Error::custom("a dead letter stays in its process"))
    }
}

/// The dead letters that a bus keeps.
pub(crate) struct Letters {
    ring: Mutex<Ring>,
    limit: usize,
}

#[derive(Default)]
struct Ring {
    letters: VecDeque<Arc<DeadLetter>>,
    total: u64,
}

impl Letters {
    pub(crate) fn new(limit: usize) -> Self {
        Self { ring: Mutex::default(), limit }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was not delivered, and tells those who listen to dead letters.
    pub(crate) fn bury(&self, hub: &Arc<Hub>, parcel: Arc<dyn AnyParcel>, post: Option<&Arc<Post>>, reason: Reason) {
        // A dead letter that is not delivered makes no other. What somebody outside still has is not dead: it comes again,
        // and given back from here it would be done twice.
        if (&*parcel as &dyn Any).is::<crate::events::parcels::Parcel<DeadLetter>>() || parcel.is_held() {
            return drop_quietly(parcel);
        }
        // Made before anything is locked: an entity's id is shown by the user's code.
        let metadata = parcel.complete(&hub.given).clone();
        let (letter, forgotten) = {
            let mut ring = self.lock();
            ring.total += 1;
            let letter = DeadLetter {
                id: ring.total,
                event: parcel.name().to_string(),
                topic: parcel.topic().to_string(),
                listener: post.map(|post| post.name().clone()),
                reason,
                time: runtime::wall_clock(),
                metadata,
                post: post.cloned(),
                parcel,
            };
            ring.letters.push_back(Arc::new(letter.clone()));
            let forgotten = if ring.letters.len() > self.limit { ring.letters.pop_front() } else { None };
            (letter, forgotten)
        };
        // The last of an event may go here, whose `Drop` is the user's code.
        drop_quietly(forgotten);
        #[cfg(feature = "testing")]
        if letter.reason != Reason::Ended {
            let why = || letter.reason.to_string();
            crate::base::note_unseen((hub.id(), letter.id), letter.listener.as_ref(), &letter.event, why);
        }
        let cause = letter.parcel.clone();
        quietly(|| publishing::publish_letter(hub, letter, cause));
    }
}

/// The dead letters of a bus: looked at, taken out, or given back to the bus. It is cheap to clone, every clone is the
/// same, and any thread may ask it.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # use std::cell::Cell;
/// # use std::rc::Rc;
///
/// #[derive(Event, Serialize, Deserialize)]
/// struct OrderPlaced {
///     id: u64,
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let reachable = Rc::new(Cell::new(false));
/// let line = reachable.clone();
/// let send = move |_: &OrderPlaced| if line.get() { Ok(()) } else { Err("no connection") };
/// let _mail = bus.on(send.named("mail"))?;
///
/// bus.publish(OrderPlaced { id: 7 })?;
/// bus.drain().await;
/// let letter = &bus.dead_letters().list()[0];
/// assert_eq!(letter.to_string(), "dead letter 1: OrderPlaced: `mail` failed: no connection");
///
/// reachable.set(true);
/// bus.dead_letters().redrive(letter.id)?;
/// bus.drain().await;
/// assert!(bus.dead_letters().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct DeadLetters {
    hub: Arc<Hub>,
}

impl DeadLetters {
    pub(crate) fn of(hub: &Arc<Hub>) -> Self {
        Self { hub: hub.clone() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.hub.letters.lock()
    }

    /// The letters, which are looked at.
    fn seen(&self) -> MutexGuard<'_, Ring> {
        #[cfg(feature = "testing")]
        crate::base::saw_letters(self.hub.id());
        self.ring()
    }

    /// Returns those that are kept, the oldest first.
    pub fn list(&self) -> Vec<Arc<DeadLetter>> {
        self.seen().letters.iter().cloned().collect()
    }

    /// Returns how many are kept.
    pub fn len(&self) -> usize {
        self.seen().letters.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.seen().letters.is_empty()
    }

    /// Returns how many there have been, with those that are no longer kept.
    pub fn total(&self) -> u64 {
        self.seen().total
    }

    /// Takes one out, if it is still kept.
    pub fn take(&self, id: u64) -> Option<Arc<DeadLetter>> {
        let mut ring = self.ring();
        let place = ring.letters.iter().position(|letter| letter.id == id)?;
        #[cfg(feature = "testing")]
        crate::base::saw_letter((self.hub.id(), id));
        ring.letters.remove(place)
    }

    /// Takes all of them out.
    pub fn take_all(&self) -> Vec<Arc<DeadLetter>> {
        std::mem::take(&mut self.seen().letters).into()
    }

    /// Gives one back to the bus: it is queued for the listener that did not get it, known by its registration, or
    /// else one of its name that hears the same, and for nobody else. One that nobody was called with is published again.
    ///
    /// # Errors
    ///
    /// If it is no longer kept, or the listener is no longer registered; in the latter case it stays.
    pub fn redrive(&self, id: u64) -> Result<(), RedriveError> {
        let letter = self.take(id).ok_or(RedriveError::Unknown { id })?;
        let given_back = match (&letter.listener, &letter.post) {
            (Some(_), Some(post)) => {
                let post = self.hub.find_like(post);
                // What a listener gives back was caused by what it hears, or an endless cycle would not be seen.
                let parcel = match current() {
                    None => Some(letter.parcel.clone()),
                    Some(cause) if cause.depth() + 1 >= self.hub.limits().max_depth => None,
                    Some(cause) => Some(letter.parcel.again(&cause)),
                };
                post.zip(parcel).is_some_and(|(post, parcel)| publishing::queue_for(&self.hub, parcel, &post))
            }
            _ => letter.parcel.clone().publish_again(&self.hub).is_ok(),
        };
        if given_back {
            return Ok(());
        }
        let listener = letter.listener.clone();
        let mut ring = self.ring();
        let place = ring.letters.partition_point(|other| other.id < id);
        ring.letters.insert(place, letter);
        drop(ring);
        Err(RedriveError::NoListener { listener })
    }

    /// Gives all of them back, and returns how many that were.
    pub fn redrive_all(&self) -> usize {
        let ids: Vec<_> = self.list().iter().map(|letter| letter.id).collect();
        ids.into_iter().filter(|id| self.redrive(*id).is_ok()).count()
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("kept", &self.len()).field("total", &self.total()).finish()
    }
}

/// A dead letter could not be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedriveError {
    /// It is not kept, or no longer.
    Unknown {
        /// The number that was asked for.
        id: u64,
    },
    /// Its listener is no longer registered, under this registration or this name, or takes no more.
    NoListener {
        /// The listener.
        listener: Option<Arc<str>>,
    },
}

impl fmt::Display for RedriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { id } => write!(f, "no dead letter {id}: it was taken, or newer ones have taken its place"),
            Self::NoListener { listener: Some(listener) } => {
                write!(
                    f,
                    "no listener `{listener}` takes it back: register it under that name, or wait until it has room"
                )
            }
            Self::NoListener { listener: None } => f.write_str("the bus refuses it again"),
        }
    }
}

impl std::error::Error for RedriveError {}
