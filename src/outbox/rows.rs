//! What an outbox needs of a database: rows that stand in the transaction of the application, and leave after its commit.
//!
//! `Outbox::publish → OutboxDatabase::insert → rows → Rows::take → the relay → Rows::{take (done), bury, park}`

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use super::rule::Rules;
use super::statement::Statement;
use crate::Uuid;
use crate::transport::{BoxFuture, Packet, TransportError};

/// Into how many lanes the rows of an outbox are divided, by the hash of their key: a key stays in its lane, and a lane is
/// one relay's at a time. Rows without a key are in any of them.
pub(crate) const LANES: u16 = 16;

/// The lane of a key, the same in every process and every release; of a row without one, any.
pub(crate) fn lane_of(key: Option<&str>) -> u16 {
    let hash = match key {
        // FNV-1a: what the standard library hashes by may change.
        Some(key) => key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }),
        None => crate::__private::random(),
    };
    // The last bytes have reached few of its bits: this mixes them, so that "1", "2" and "3" are not all in one lane.
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    u16::try_from((mixed >> 33) % u64::from(LANES)).unwrap_or_default()
}

/// A database that can keep an outbox: `SqliteDatabase`,
/// `PostgresDatabase` and [`MemoryDatabase`](crate::transport::MemoryDatabase).
pub trait OutboxDatabase:
    sealed::Keeps<<Self as OutboxDatabase>::Connection> + Clone + fmt::Debug + Send + Sync + 'static
{
    /// What stands for a transaction of the application: a `Transaction` of sqlx derefs to it.
    type Connection: Send + 'static;
}

pub(crate) mod sealed {
    use std::any::Any;
    use std::sync::Arc;

    use super::*;

    /// What the database does for an outbox, which nobody outside may implement or call.
    pub trait Keeps<C>: Sized {
        /// Opens the rows of the outbox of this name: looks whether the tables are there, and of a version that this program
        /// knows.
        ///
        /// # Errors
        ///
        /// Those of a queue of this database.
        fn open(&self, outbox: Arc<str>) -> BoxFuture<'_, Opened<C>>;
    }

    /// What comes of opening an outbox.
    pub(crate) type Opened<C> = Result<Arc<dyn Keeping<C>>, TransportError>;

    /// An outbox that is open.
    pub trait Keeping<C>: Rows {
        /// Inserts packets in their order, within the transaction of this connection, in as few statements as possible. Of
        /// a packet id, body, attributes, topic and key are kept.
        ///
        /// On a server where transactions commit in any order, keys are locked until the commit before a position is drawn,
        /// so that the order of positions of a key is that of commits; several in one order.
        ///
        /// # Errors
        ///
        /// - `Missing` if the connection is one of another database, or there are no tables.
        /// - `Refused` if there is no transaction on it, or it has failed or ended: the row would be there by itself.
        /// - `Unreachable`.
        fn insert<'a>(
            &'a self,
            packets: Vec<Packet>,
            transaction: &'a mut C,
        ) -> BoxFuture<'a, Result<(), TransportError>>;

        /// Returns by what events have their keys, for all who have this outbox open.
        fn rules(&self) -> &Rules;

        /// Returns the statement that inserts this packet, for a client that is not ours.
        fn statement(&self, packet: Packet) -> Statement;

        /// Returns itself, for who inserts by a statement that does something else too, where there is one.
        fn known(&self) -> Option<&dyn Any> {
            None
        }
    }

    /// The rows of one outbox, as the relay and who repairs see them. All is done on connections of its own.
    ///
    /// A row is *ready*, *dead* (a server has refused it for good) or *parked* (behind a dead one of its key). Within a lane
    /// rows come in the order of their positions. What is taken stays as it is until it is done, buried or parked: it is the
    /// lane that is lent, not the row, so a relay that ends loses nothing.
    pub trait Rows: Send + Sync + 'static {
        /// As in `postgres outbox Shop`.
        fn name(&self) -> &Arc<str>;

        /// Renews what this relay has, for so long by the clock of the database, and shares the lanes with the other relays
        /// that are alive: it takes some that are free or over, and gives back what is beyond its share, except those that
        /// are `busy`. Returns the lanes that it has now, and its share: a relay that is never idle learns by that how many
        /// to keep free, so that it gives them back the next time.
        fn lanes<'a>(
            &'a self,
            relay: Uuid,
            lease: Duration,
            busy: &'a [u16],
        ) -> BoxFuture<'a, Result<Lanes, TransportError>>;

        /// Gives all lanes of a relay back.
        fn leave<'a>(&'a self, relay: Uuid) -> BoxFuture<'a, Result<(), TransportError>>;

        /// Deletes what has left, if it is still ready, and returns the first rows that are ready in these lanes, in the order
        /// of their positions: at most so many, and of at most so many bytes beyond the first. With no lanes it only deletes;
        /// with nothing to delete it only reads, and waits for nobody who writes.
        ///
        /// # Errors
        ///
        /// `Lost` from this and all that follow, if what was taken is of a database that is no longer there: the relay forgets
        /// what it has, and asks for lanes anew.
        fn take<'a>(
            &'a self,
            done: &'a [i64],
            lanes: &'a [u16],
            most: usize,
            bytes: usize,
        ) -> BoxFuture<'a, Result<Vec<Taken>, TransportError>>;

        /// Returns the keys in these lanes of which a row is dead, each with the first such position; at most so many.
        fn dead_keys<'a>(&'a self, lanes: &'a [u16], most: usize) -> BoxFuture<'a, Result<FirstDead, TransportError>>;

        /// Returns the keys of these rows of which a row is dead, each with the first such position; some perhaps more than once.
        fn first_dead<'a>(&'a self, positions: &'a [i64]) -> BoxFuture<'a, Result<FirstDead, TransportError>>;

        /// Marks rows as dead, with the reason, if they are still there and ready, and their lanes are this relay's: who comes
        /// too late would bury what another one has sent, and what follows that would be parked for ever.
        fn bury<'a>(&'a self, relay: Uuid, dead: &'a [(i64, String)]) -> BoxFuture<'a, Result<(), TransportError>>;

        /// Parks those of these rows that are ready, that are behind a dead row of their key, and whose lane is this relay's.
        /// Returns the positions of those that are behind none (any more): these stay ready. A redrive that comes between is
        /// seen either by this, or by what it returns.
        fn park<'a>(&'a self, relay: Uuid, positions: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>, TransportError>>;

        /// Returns how it stands, without counting beyond `most` rows of a kind.
        fn figures<'a>(&'a self, most: u64) -> BoxFuture<'a, Result<OutboxFigures, TransportError>>;

        /// Returns dead rows behind this position, in their order, at most so many.
        fn dead<'a>(&'a self, after: i64, most: usize) -> BoxFuture<'a, Result<Vec<Dead>, TransportError>>;

        /// Ends that the first of the rows between these, both included, are dead, at most so many. In the same transaction
        /// all rows become ready that are parked behind no other dead row of their key. One that was dead and is behind another
        /// is parked. Returns the positions of those that were dead, in their order.
        fn redrive(&self, from: i64, to: i64, most: usize) -> BoxFuture<'_, Result<Vec<i64>, TransportError>>;

        /// A test looks at the dead rows, as they are now.
        fn look(&self) {}

        /// Deletes a dead row, and makes those ready that were parked behind it alone. Returns whether there was one.
        fn discard(&self, position: i64) -> BoxFuture<'_, Result<bool, TransportError>>;

        /// What changes when something may be there that was not: when somebody in this process has published or redriven, or,
        /// where the server tells, in another one. It is only a hint: who publishes rings before the commit.
        fn bell(&self) -> watch::Receiver<()>;

        /// How soon after it has rung a look is worth its cost; each that finds nothing is followed by a wait twice as long.
        fn first_look(&self) -> Duration;
    }
}

/// What a relay has of an outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    pub(crate) held: Vec<u16>,
    /// How many it may have, now that so many relays are alive.
    pub(crate) share: usize,
}

/// A row that a relay is to have published.
#[derive(Debug)]
pub struct Taken {
    pub(crate) position: i64,
    pub(crate) lane: u16,
    pub(crate) packet: Packet,
    /// For how long it has been there, by the clock of the database.
    pub(crate) age: Duration,
}

/// How an outbox stands, at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxFigures {
    /// How many events wait for a relay.
    pub ready: u64,
    /// How many are [dead letters](super::Outbox::dead_letters).
    pub dead: u64,
    /// How many are parked behind a dead letter of their key.
    pub parked: u64,
    /// For how long the oldest event that waits has been there: the lag.
    pub oldest: Option<Duration>,
}

/// Keys, each with the position of its first dead row: what is behind that is not to leave.
pub(crate) type FirstDead = Vec<(String, i64)>;

/// A row that a server has refused for good.
#[derive(Debug)]
pub struct Dead {
    pub(crate) position: i64,
    pub(crate) packet: Packet,
    pub(crate) reason: String,
    pub(crate) age: Duration,
    /// How many are parked behind it.
    pub(crate) parked: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_that_differ_little_are_in_many_lanes() {
        let lanes = |keys: u32| (0..keys).map(|key| lane_of(Some(&key.to_string()))).collect::<HashSet<_>>().len();
        assert_eq!(lanes(1000), usize::from(LANES));
        assert!(lanes(10) > 4, "{}", lanes(10));
        assert_eq!(lane_of(Some("customer-7")), lane_of(Some("customer-7")));
    }
}
