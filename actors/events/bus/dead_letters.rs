//! The dead letters of a bus, as its user has them.
//!
//! `Letters → DeadLetters → look, take, redrive → the listener's queue`

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, MutexGuard};

use super::publishing::queue_for;
use crate::base::debug_is_display;
use crate::events::hub::{DeadLetter, Hub, Ring};
use crate::events::parcel::current;
use crate::runtime::drop_quietly;

/// A handle to the dead letters of a bus: lists them, takes them out, or gives them back to the bus.
///
/// At most [`limit`](Self::limit) dead letters are kept. Beyond that number the oldest one is forgotten, and
/// [counted](Self::forgotten). The handle is cheap to clone, and any thread may use it.
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
        crate::base::saw_all(crate::base::Of::Bus(self.hub.id()));
        self.ring()
    }

    /// Returns the dead letters that are kept, the oldest first. There are no more of them than [`limit`](Self::limit).
    pub fn list(&self) -> Vec<Arc<DeadLetter>> {
        self.seen().letters.iter().cloned().collect()
    }

    /// Returns how many dead letters are kept.
    pub fn len(&self) -> usize {
        self.seen().letters.len()
    }

    /// Returns whether no dead letter is kept.
    pub fn is_empty(&self) -> bool {
        self.seen().letters.is_empty()
    }

    /// Returns how many dead letters there have been, including those that are no longer kept.
    pub fn total(&self) -> u64 {
        self.seen().total
    }

    /// The same, for who only compares: they count as not looked at.
    pub(crate) fn counted(&self) -> u64 {
        self.ring().total
    }

    /// Returns the maximum number of dead letters that are kept: 1,000, unless the
    /// [builder](crate::EventBusBuilder::dead_letters) sets another.
    pub fn limit(&self) -> usize {
        self.hub.letters.limit
    }

    /// Returns how many dead letters were forgotten because newer ones took their places.
    pub fn forgotten(&self) -> u64 {
        self.ring().forgotten
    }

    /// Takes out the dead letter with this number, if it is still kept.
    pub fn take(&self, id: u64) -> Option<Arc<DeadLetter>> {
        let mut ring = self.ring();
        let place = ring.place(id);
        if ring.letters.get(place)?.id != id {
            return None;
        }
        let letter = ring.letters.remove(place)?;
        letter.noted.seen();
        Some(letter)
    }

    /// Takes out all dead letters.
    pub fn take_all(&self) -> Vec<Arc<DeadLetter>> {
        std::mem::take(&mut self.seen().letters).into()
    }

    /// Gives the dead letter with this number back to the bus.
    ///
    /// The event is queued only for the listener that did not get it. That listener is found by its registration, or
    /// else by its name and by what it hears. If no listener was called with the event, it is published again.
    ///
    /// # Errors
    ///
    /// Returns [`RedriveError::Unknown`] if the dead letter is no longer kept, and [`RedriveError::NoListener`] if its
    /// listener is no longer registered or has no room. In the latter case the dead letter stays.
    pub fn redrive(&self, id: u64) -> Result<(), RedriveError> {
        let letter = self.take(id).ok_or(RedriveError::Unknown { id })?;
        if self.give_back(&letter) {
            return Ok(());
        }
        let listener = letter.listener.clone();
        let forgotten = {
            let mut ring = self.ring();
            let place = ring.place(id);
            ring.letters.insert(place, letter);
            ring.forget(self.hub.letters.limit)
        };
        self.hub.letters.meter.forgot(forgotten.len());
        drop_quietly(forgotten);
        Err(RedriveError::NoListener { listener })
    }

    /// Gives all dead letters back to the bus, and returns how many the bus has taken. The others stay.
    pub fn redrive_all(&self) -> usize {
        let mut redrive =
            Redrive { letters: self, left: std::mem::take(&mut self.seen().letters), kept: VecDeque::new() };
        let mut count = 0;
        while let Some(letter) = redrive.left.pop_front() {
            if self.give_back(&letter) {
                count += 1;
            } else {
                redrive.kept.push_back(letter);
            }
        }
        count
    }

    /// Whether the bus takes it.
    fn give_back(&self, letter: &DeadLetter) -> bool {
        match (&letter.listener, &letter.post) {
            (Some(_), Some(post)) => {
                let post = self.hub.registry.find_like(post);
                // What a listener gives back was caused by what it hears, or an endless cycle would not be seen.
                let parcel = match current() {
                    None => Some(letter.parcel.clone()),
                    Some(cause) if cause.depth() + 1 >= self.hub.limits().max_depth => None,
                    Some(cause) => Some(letter.parcel.again(&cause)),
                };
                post.zip(parcel).is_some_and(|(post, parcel)| queue_for(&self.hub, parcel, &post))
            }
            _ => letter.again.is_some_and(|again| again(&self.hub, &letter.parcel)),
        }
    }
}

/// All that were kept, while they are given back one by one: what is not taken is kept again, in its place.
struct Redrive<'a> {
    letters: &'a DeadLetters,
    left: VecDeque<Arc<DeadLetter>>,
    kept: VecDeque<Arc<DeadLetter>>,
}

impl Drop for Redrive<'_> {
    fn drop(&mut self) {
        // There are some left if the user's code has panicked.
        self.kept.append(&mut self.left);
        if self.kept.is_empty() {
            return;
        }
        let forgotten = {
            let mut ring = self.letters.ring();
            // What has come meanwhile is newer, but for what somebody else has given back in vain.
            std::mem::swap(&mut ring.letters, &mut self.kept);
            ring.letters.append(&mut self.kept);
            ring.letters.make_contiguous().sort_by_key(|letter| letter.id);
            ring.forget(self.letters.hub.letters.limit)
        };
        self.letters.hub.letters.meter.forgot(forgotten.len());
        drop_quietly(forgotten);
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters")
            .field("kept", &self.len())
            .field("total", &self.total())
            .field("forgotten", &self.forgotten())
            .finish()
    }
}

/// The error of giving a dead letter back to the bus.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedriveError {
    /// No dead letter with this number is kept, or it is no longer kept.
    Unknown {
        /// The number that was asked for.
        id: u64,
    },
    /// No listener is registered under the dead letter's registration or name, or the listener has no room.
    NoListener {
        /// The name of the listener; `None` if the event was stopped before any listener was called.
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

debug_is_display!(RedriveError);
