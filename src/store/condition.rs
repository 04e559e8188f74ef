//! What must not have happened since a position, so that an event may be appended.
//!
//! `nothing_since(position).of("orders/*").about("Order", 7) → Wanted → a database, behind the lock`

use std::fmt::Display;

use super::error::StoreError;
use super::position::Position;
use super::records::Wanted;
use super::row::{Entry, entity_of, kind_of};
use crate::{Pattern, Patterns, TopicError};

/// Begins a condition of an append: nothing may have happened since this position, which is that of the last record that
/// you have read to decide. [`of`](Condition::of) and [`about`](Condition::about) say what counts; without them, everything
/// does.
///
/// ```no_run
/// # use convoke::prelude::*;
/// # use convoke::transport::MemoryDatabase;
/// # use convoke::{Position, Store, StoreError};
/// # use serde::{Deserialize, Serialize};
/// use convoke::nothing_since;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(topic = "seats/taken", entity = "Seat", entity_id = seat)]
/// # struct SeatTaken { seat: u32 }
/// # async fn take(seats: Store<MemoryDatabase>, seat: u32) -> Result<(), StoreError> {
/// let mut read = Position::START;
/// let mut is_free = true;
/// for record in seats.read("seats/*").about("Seat", seat).all().await? {
///     (read, is_free) = (record.position(), record.topic() != "seats/taken");
/// }
/// if is_free {
///     // `Conflict` if somebody else has taken it meanwhile.
///     seats.append(SeatTaken { seat }).when(nothing_since(read).about("Seat", seat)).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn nothing_since(position: Position) -> Condition {
    Condition { since: position, patterns: Ok(Vec::new()), entity: None, kind: None }
}

/// What must not have happened, so that an event is appended. Created by [`nothing_since`].
#[derive(Clone, Debug)]
#[must_use = "it is a condition once it is given to `when`"]
pub struct Condition {
    since: Position,
    patterns: Result<Vec<Pattern>, TopicError>,
    entity: Option<String>,
    /// Of what kind it is, if what is appended has to be about it.
    kind: Option<String>,
}

impl Condition {
    /// Counts only events whose topic matches one of these patterns.
    pub fn of(mut self, topics: impl Patterns) -> Self {
        self.patterns = topics.patterns();
        self
    }

    /// Counts only events about this thing: [`Metadata::entity`](crate::Metadata::entity) and
    /// [`Metadata::entity_id`](crate::Metadata::entity_id). A derive sets both, by `#[event(entity = "Seat", entity_id =
    /// seat)]`; without `entity` it is the name of the event without its last word, as `Seat` for `SeatTaken`.
    ///
    /// One of the events that are appended has to be about it too, or else it is [`StoreError::NotAbout`]: a thing that no event
    /// is about is misspelled, and such a condition would always hold. For one that is meant there is
    /// [`about_other`](Self::about_other).
    pub fn about(mut self, entity: &str, id: impl Display) -> Self {
        self.entity = Some(entity_of(entity, &id.to_string()));
        self.kind = Some(entity.to_owned());
        self
    }

    /// The same about a thing that the appended events are not about, as an order that is taken only if nothing has happened
    /// to its customer. Two such appends at once do not see each other.
    pub fn about_other(mut self, entity: &str, id: impl Display) -> Self {
        self.entity = Some(entity_of(entity, &id.to_string()));
        self.kind = None;
        self
    }

    /// Looks whether these are about what it is about.
    pub(super) fn check(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let Some(kind) = &self.kind else { return Ok(()) };
        if entries.is_empty() || entries.iter().any(|entry| entry.entity == self.entity) {
            return Ok(());
        }
        let mut found: Vec<_> = entries.iter().filter_map(|entry| kind_of(entry.entity.as_deref()?)).collect();
        found.sort_unstable();
        found.dedup();
        Err(StoreError::NotAbout { entity: kind.clone(), found: found.join(", ") })
    }

    pub(super) fn wanted(self, tag: u32, store: &str) -> Result<Wanted, StoreError> {
        let since = self.since.number_in(tag, store)?;
        Ok(Wanted { since, patterns: self.patterns?, entity: self.entity })
    }
}
