//! The dead letters of a bus, as its user has them.
//!
//! `Letters → DeadLetters → look, take, redrive → the listener's queue`

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, MutexGuard};

use super::publishing::queue_for;
use crate::events::hub::{DeadLetter, Hub, Ring};
use crate::events::parcel::current;
use crate::runtime::drop_quietly;

/// The dead letters of a bus: looked at, taken out, or given back to the bus. So many are kept as its [`limit`](Self::limit)
/// says; beyond that the oldest is forgotten, and [counted](Self::forgotten). It is cheap to clone, every clone is the
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

    /// Returns those that are kept, the oldest first: no more than [`limit`](Self::limit), beyond which the oldest is
    /// [forgotten](Self::forgotten).
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

    /// Returns how many are kept at the most: 1,000, unless the [builder](crate::EventBusBuilder::dead_letters) was told.
    pub fn limit(&self) -> usize {
        self.hub.letters.limit
    }

    /// Returns how many were forgotten, because newer ones have taken their place.
    pub fn forgotten(&self) -> u64 {
        self.ring().forgotten
    }

    /// Takes one out, if it is still kept.
    pub fn take(&self, id: u64) -> Option<Arc<DeadLetter>> {
        let mut ring = self.ring();
        let place = ring.place(id);
        if ring.letters.get(place)?.id != id {
            return None;
        }
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
        drop_quietly(forgotten);
        Err(RedriveError::NoListener { listener })
    }

    /// Gives all of them back, and returns how many that were. One that is not taken stays.
    pub fn redrive_all(&self) -> usize {
        let mut redrive =
            Redrive { letters: self, left: std::mem::take(&mut self.ring().letters), kept: VecDeque::new() };
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
