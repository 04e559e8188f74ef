//! What must not have happened since a position, so that an event may be appended.
//!
//! `nothing_since(position).of("orders/*").about("Order", 7) → Wanted → a database, behind the lock`

use std::fmt::Display;

use super::error::StoreError;
use super::position::Position;
use super::reading::some;
use super::records::Wanted;
use super::row::{Entry, entity_of, kind_of};
use crate::{Pattern, Patterns};

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
    Condition { since: position, own: Ok(Vec::new()), others: Ok(Vec::new()), entity: None, kind: None }
}

/// What must not have happened, so that an event is appended. Created by [`nothing_since`].
#[derive(Clone, Debug)]
#[must_use = "it is a condition once it is given to `when`"]
pub struct Condition {
    since: Position,
    /// One of these or of the next; none at all stands for every topic. What is appended has to be of each of these.
    own: Result<Vec<Pattern>, StoreError>,
    others: Result<Vec<Pattern>, StoreError>,
    entity: Option<String>,
    /// Of what kind it is, if what is appended has to be about it.
    kind: Option<String>,
}

impl Condition {
    /// Counts only events whose topic matches one of these patterns.
    ///
    /// Of the events that are appended one has to match each of them too, and be what the condition is [about](Self::about), or else it
    /// is [`StoreError::NotOf`]: a pattern that no event has is misspelled, and as far as it goes such a condition would always hold.
    /// For those that are meant there is [`of_other`](Self::of_other), which counts beside this. The topic of a type cannot be
    /// misspelled: `.of(SeatTaken::TOPIC)`.
    pub fn of(mut self, topics: impl Patterns) -> Self {
        self.own = some(topics);
        self
    }

    /// Counts events of topics, too, that the appended events need not have, as an order that is cancelled only if it was not shipped.
    /// Two such appends at once do not see each other. Nobody looks whether a pattern is misspelled: take `OrderShipped::TOPIC` for
    /// its text.
    pub fn of_other(mut self, topics: impl Patterns) -> Self {
        self.others = some(topics);
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

    /// Looks whether these would be in the way of another one like it: else it is misspelled, or holds for ever.
    pub(super) fn check(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let is_about = |entry: &&Entry| self.kind.is_none() || entry.entity == self.entity;
        let mut about = entries.iter().filter(is_about).peekable();
        if entries.is_empty() {
            return Ok(());
        }
        if let Some(kind) = &self.kind
            && about.peek().is_none()
        {
            let found = entries.iter().filter_map(|entry| kind_of(entry.entity.as_deref()?));
            return Err(StoreError::NotAbout { entity: kind.clone(), found: listed(found) });
        }
        let Ok(own) = &self.own else { return Ok(()) };
        let found: Vec<&str> = about.map(|entry| &*entry.topic).collect();
        let wrong: Vec<&str> = own
            .iter()
            .filter(|pattern| !found.iter().any(|topic| pattern.matches(topic)))
            .map(Pattern::as_str)
            .collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(StoreError::NotOf { topics: listed(wrong), found: listed(found) }),
        }
    }

    pub(super) fn wanted(self, tag: u32, store: &str) -> Result<Wanted, StoreError> {
        let since = self.since.number_in(tag, store)?;
        let patterns = [self.own?, self.others?].concat();
        Ok(Wanted { since, patterns, entity: self.entity })
    }
}

/// Each once.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
