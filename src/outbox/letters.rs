//! What a server has refused for good: looked at, sent once more, or thrown away.
//!
//! `Outbox::dead_letters → OutboxLetter → redrive | discard → rows.rs: it, and what is parked behind it`

use std::time::Duration;

use super::outbox::Outbox;
use super::rows::{Dead, OutboxDatabase};
use crate::transport::{Packet, Redriven, TransportError};

/// How many are read at a time where all are meant.
const PAGE: usize = 100;

/// A dead letter of an outbox: an event that a server has refused for good, or that no route matches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutboxLetter {
    /// The place of the event in the outbox, by which it is redriven or discarded.
    pub position: i64,
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
        Self { position, packet, reason, age, parked }
    }
}

/// # Dead letters
///
/// ```no_run
/// # use convoke::Outbox;
/// # use convoke::transport::SqliteDatabase;
/// # async fn look(outbox: Outbox<SqliteDatabase>) -> Result<(), Box<dyn std::error::Error>> {
/// for letter in outbox.dead_letters(0, 100).await? {
///     println!("{}: {} ({} behind it)", letter.packet.id, letter.reason, letter.parked);
///     outbox.redrive(letter.position).await?; // or `discard`
/// }
/// # Ok(())
/// # }
/// ```
impl<D: OutboxDatabase> Outbox<D> {
    /// Returns dead letters behind this position, in their order, at most so many. Begin with 0.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn dead_letters(&self, after: i64, most: usize) -> Result<Vec<OutboxLetter>, TransportError> {
        let dead = self.rows().dead(after, most).await?;
        Ok(dead.into_iter().map(OutboxLetter::from).collect())
    }

    /// Gives the dead letter at this position another chance: it leaves again, and then those of its key that are parked
    /// behind it, in their order. Returns how many events that are; 0 if there is no such dead letter.
    ///
    /// If several events of a key are dead, those that are parked wait for the last of them.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn redrive(&self, position: i64) -> Result<u64, TransportError> {
        self.rows().redrive(position).await
    }

    /// Gives all dead letters another chance that are there now, in their order. In what it returns, `moved` counts those
    /// that were parked too.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline. What was redriven before stays so.
    pub async fn redrive_all(&self) -> Result<Redriven, TransportError> {
        let mut redriven = Redriven::default();
        let mut after = 0;
        loop {
            let dead = self.rows().dead(after, PAGE).await?;
            for dead in &dead {
                after = after.max(dead.position);
                let moved = self.rows().redrive(dead.position).await?;
                redriven.moved += usize::try_from(moved).unwrap_or(usize::MAX);
            }
            if dead.len() < PAGE {
                return Ok(redriven);
            }
        }
    }

    /// Deletes the dead letter at this position. Those of its key that were parked behind it leave, in their order.
    /// Returns how many these are, or `None` if there is no such dead letter.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn discard(&self, position: i64) -> Result<Option<u64>, TransportError> {
        self.rows().discard(position).await
    }
}
