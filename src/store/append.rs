//! Events on their way into a store: all of them or none, unless something has happened.
//!
//! `Store::append → Append → when(condition) → await | within(&mut tx) → records.rs`

use std::fmt;
use std::future::IntoFuture;

use super::condition::Condition;
use super::error::StoreError;
use super::position::Position;
use super::records::{Appended, Batch, StoreDatabase};
use super::row::{Entry, chain};
use super::store::Store;
use crate::Envelope;
use crate::transport::BoxFuture;

/// Events that are about to be appended. Created by [`Store::append`] and its siblings; awaiting it appends them.
///
/// If the future is dropped before it is ready, they may be appended, or not.
#[must_use = "the events are appended when it is awaited"]
pub struct Append<D: StoreDatabase> {
    store: Store<D>,
    entries: Result<Vec<Entry>, StoreError>,
    condition: Option<Condition>,
}

impl<D: StoreDatabase> Append<D> {
    pub(super) fn new(store: &Store<D>, entries: Result<Vec<Entry>, StoreError>) -> Self {
        Self { store: store.clone(), entries, condition: None }
    }

    /// Appends only if this still holds then, and is else [`StoreError::Conflict`]. See
    /// [`nothing_since`](super::nothing_since).
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Appends with this transaction: the events are there if it commits, and never if it is rolled back. Returns the position
    /// of the last event.
    ///
    /// From then on until the transaction ends, whoever else appends to this store waits: keep it short, or append last.
    /// Readers wait for nobody. A transaction that appends to several stores should do so in one order, or two of them may
    /// deadlock.
    ///
    /// # Errors
    ///
    /// Those of [`Store::append`]; with `Missing` if the transaction is of another database, and `Refused` if there is none.
    /// After an error roll the transaction back, except after a [`StoreError::Conflict`], which leaves it as it was.
    pub async fn within(self, transaction: &mut D::Connection) -> Result<Position, StoreError> {
        let (store, since, batch) = self.batch()?;
        let appended = store.records().append_within(batch, transaction).await?;
        store.told(appended, since)
    }

    fn batch(self) -> Result<(Store<D>, Position, Batch), StoreError> {
        let mut entries = self.entries?;
        chain(&mut entries);
        let (tag, name) = (self.store.records().tag(), self.store.name());
        if let Some(condition) = &self.condition {
            condition.check(&entries)?;
        }
        let condition = self.condition.map(|condition| condition.wanted(tag, name)).transpose()?;
        let since = Position::new(tag, condition.as_ref().map_or(0, |wanted| wanted.since));
        Ok((self.store, since, Batch { entries, condition }))
    }
}

impl<D: StoreDatabase> Store<D> {
    /// What came of it, as the user is told.
    fn told(&self, appended: Appended, since: Position) -> Result<Position, StoreError> {
        let at = |number| Position::new(self.records().tag(), number);
        match appended {
            Appended::At(last) => Ok(at(last)),
            Appended::Ahead(last) => Err(StoreError::Ahead { position: since, last: at(last) }),
            Appended::Conflict(position, body) => {
                let position = at(position);
                // What is no event has no name, and is in the way all the same.
                let event = Envelope::from_slice(&body).map(|envelope| envelope.metadata.event.to_string());
                Err(StoreError::Conflict { position, event: event.unwrap_or_default() })
            }
        }
    }
}

impl<D: StoreDatabase> IntoFuture for Append<D> {
    type Output = Result<Position, StoreError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (store, since, batch) = self.batch()?;
            let appended = store.records().append(batch).await?;
            store.told(appended, since)
        })
    }
}

impl<D: StoreDatabase> fmt::Debug for Append<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.entries.as_ref().map_or(0, Vec::len);
        f.debug_struct("Append").field("events", &count).field("condition", &self.condition).finish_non_exhaustive()
    }
}
