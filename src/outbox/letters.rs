//! What a server has refused for good: looked at, sent once more, or thrown away.
//!
//! `Outbox::dead_letters → OutboxLetter → redrive | discard → rows.rs: it, and what is parked behind it`

use std::time::Duration;

use super::outbox::Outbox;
use super::rows::{Dead, OutboxDatabase};
use crate::transport::{Packet, TransportError};

/// So many are redriven in one transaction where all are meant.
const SOME: usize = 500;

/// A dead letter of an outbox: an event that a server has refused for good, or that no route matches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutboxLetter {
    /// The place of the event in the outbox, by which it is redriven or discarded.
    pub position: u64,
    /// The event, as it was to be sent: [`codec::read`](crate::codec::read) reads it.
    pub packet: Packet,
    /// Why it is dead.
    pub reason: String,
    /// For how long it has been in the outbox.
    pub age: Duration,
    /// How many events of its key are parked behind it.
    pub parked: u64,
}

impl From<Dead> for OutboxLetter {
    fn from(dead: Dead) -> Self {
        let Dead { position, packet, reason, age, parked } = dead;
        Self { position: position.try_into().unwrap_or_default(), packet, reason, age, parked }
    }
}

/// # Dead letters
///
/// ```no_run
/// # use convoke::Outbox;
/// # use convoke::transport::SqliteDatabase;
/// # async fn look(outbox: Outbox<SqliteDatabase>) -> Result<(), Box<dyn std::error::Error>> {
/// for letter in outbox.dead_letters(100).await? {
///     println!("{}: {} ({} behind it)", letter.packet.id, letter.reason, letter.parked);
///     outbox.redrive(letter.position).await?; // or `discard`
/// }
/// # Ok(())
/// # }
/// ```
impl<D: OutboxDatabase> Outbox<D> {
    /// Returns up to `most` dead letters, those of the lowest positions first.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline; others of the database.
    pub async fn dead_letters(&self, most: usize) -> Result<Vec<OutboxLetter>, TransportError> {
        self.dead_letters_after(0, most).await
    }

    /// Returns up to `most` dead letters behind this position, to read them page by page.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn dead_letters_after(&self, position: u64, most: usize) -> Result<Vec<OutboxLetter>, TransportError> {
        let dead = self.rows().dead(place(position), most).await?;
        self.rows().look();
        Ok(dead.into_iter().map(OutboxLetter::from).collect())
    }

    /// Gives the dead letter at this position another chance: it leaves again, and then those of its key that are parked
    /// behind it, in their order. Returns `false` if there is no dead letter at this position.
    ///
    /// If several events of a key are dead, they leave in their order too: one that is behind another dead letter of its key
    /// is parked, until that is redriven or discarded; and what is parked behind the next dead letter waits for that one.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn redrive(&self, position: u64) -> Result<bool, TransportError> {
        self.rows().look();
        Ok(!self.rows().redrive(place(position), place(position), 1).await?.is_empty())
    }

    /// Gives all dead letters another chance that are there now, in their order, and what is parked behind them. Returns how
    /// many dead letters these were. One that dies again meanwhile stays.
    ///
    /// Up to 500 are redriven in one transaction, with what is parked behind them.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters). What was redriven before stays so.
    pub async fn redrive_all(&self) -> Result<u64, TransportError> {
        self.rows().look();
        let (mut all, mut from) = (0, 0);
        loop {
            // Onwards: what dies again meanwhile is behind us.
            let some = self.rows().redrive(from, i64::MAX, SOME).await?;
            all += some.len() as u64;
            match some.last() {
                Some(last) => from = last.saturating_add(1),
                None => return Ok(all),
            }
        }
    }

    /// Deletes the dead letter at this position. Those of its key that were parked behind it alone leave, in their order.
    /// Returns `false` if there is no dead letter at this position.
    ///
    /// # Errors
    ///
    /// The same as [`dead_letters`](Self::dead_letters).
    pub async fn discard(&self, position: u64) -> Result<bool, TransportError> {
        self.rows().look();
        self.rows().discard(place(position)).await
    }
}

/// A position as the databases know it; there is none beyond the last.
fn place(position: u64) -> i64 {
    position.try_into().unwrap_or(i64::MAX)
}
