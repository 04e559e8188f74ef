//! A record as it is read: where it is, and the event that it keeps.
//!
//! `Row → Recorded → { topic, bytes } | envelope: codec/upcasts.rs → Envelope → E`

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::codec::{self, Upcasts};
use crate::store::{Position, Row, StoreError};
use crate::transport::Packet;
use crate::{Envelope, EnvelopeLimits, Event};

/// What all records of a store are read by.
#[derive(Debug)]
pub(crate) struct Lens {
    pub(crate) tag: u32,
    pub(crate) limits: EnvelopeLimits,
    pub(crate) upcasts: Upcasts,
}

/// A record of a store. Its event is read when you ask for it.
#[derive(Clone)]
pub struct Recorded {
    row: Row,
    lens: Arc<Lens>,
}

impl Recorded {
    pub(crate) fn new(row: Row, lens: Arc<Lens>) -> Self {
        Self { row, lens }
    }

    /// Returns where it is.
    pub fn position(&self) -> Position {
        Position::new(self.lens.tag, self.row.position)
    }

    /// Returns when it was appended, by the clock of the database: never earlier than a record before it.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.row.at.try_into().unwrap_or_default())
    }

    /// Returns the topic of its event.
    pub fn topic(&self) -> &str {
        &self.row.topic
    }

    /// Returns its event as JSON, as it was appended: metadata and payload, before any upcaster.
    pub fn bytes(&self) -> &[u8] {
        &self.row.body
    }

    /// Returns the event with its metadata, in its present version.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] if the record is no event, or an upcaster has panicked.
    pub fn envelope(&self) -> Result<Envelope, StoreError> {
        let unreadable = |reason: String| StoreError::Unreadable { position: self.position(), reason };
        let envelope = match Envelope::from_slice_within(&self.row.body, self.lens.limits) {
            Ok(envelope) => envelope,
            // Another program may have written another form.
            Err(error) => {
                codec::read(&Packet::new(self.position().to_string(), self.row.body.clone()), self.lens.limits)
                    .map_err(|_| unreadable(error.to_string()))?
            }
        };
        self.lens.upcasts.lift(envelope).map_err(unreadable)
    }

    /// Returns the event as one of this type.
    ///
    /// # Errors
    ///
    /// - [`StoreError::OtherEvent`] if it is another event.
    /// - [`StoreError::Version`] if it has another version than the type, behind all upcasters.
    /// - [`StoreError::Unreadable`] if its payload is none of the type.
    pub fn event<E: Event>(&self) -> Result<E, StoreError> {
        let Envelope { metadata, payload } = self.envelope()?;
        let position = self.position();
        if metadata.event != E::NAME {
            return Err(StoreError::OtherEvent { position, found: metadata.event.to_string(), wanted: E::NAME });
        }
        if metadata.version != E::VERSION {
            let (event, found) = (metadata.event.to_string(), metadata.version);
            return Err(StoreError::Version { position, event, found, wanted: E::VERSION });
        }
        E::from_json(&payload).map_err(|error| StoreError::Unreadable {
            position,
            // What serde says may quote a value.
            reason: if E::CONTAINS_PERSONAL_DATA || metadata.contains_personal_data {
                format!("its payload is no `{}`", E::NAME)
            } else {
                format!("its payload is no `{}`: {error}", E::NAME)
            },
        })
    }
}

/// Shows nothing of the event.
impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("position", &format_args!("{}", self.position()))
            .field("topic", &self.row.topic)
            .finish_non_exhaustive()
    }
}
