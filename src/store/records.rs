//! What a store needs of a database: records that are only ever added, each at the next position.
//!
//! `Append → Keeping::append | append_within → rows`, `Reading → Records::{head, page} → Row → row.rs: is it what was written?`

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::row::{Entry, Row};
use crate::Pattern;
use crate::transport::{BoxFuture, TransportError};

/// Beyond this there is no position.
pub(crate) const LAST_POSITION: u64 = (1 << 40) - 1;

/// A database that can keep a store: `SqliteDatabase`, `PostgresDatabase` and
/// [`MemoryDatabase`](crate::transport::MemoryDatabase).
pub trait StoreDatabase:
    sealed::KeepsRecords<<Self as StoreDatabase>::Connection> + Clone + fmt::Debug + Send + Sync + 'static
{
    /// What stands for a transaction of the application: a `Transaction` of sqlx derefs to it.
    type Connection: Send + 'static;
}

pub(crate) mod sealed {
    use super::*;

    /// What the database does for a store, which nobody outside may implement or call.
    pub trait KeepsRecords<C>: Sized {
        /// Opens the records of the store of this name, and makes the store if there is none.
        ///
        /// # Errors
        ///
        /// Those of a queue of this database.
        fn open_records(&self, store: Arc<str>) -> BoxFuture<'_, OpenedRecords<C>>;

        /// Returns the names of the stores from this one on, in their order, at most so many. None is made.
        ///
        /// # Errors
        ///
        /// Those of a queue of this database.
        fn stores<'a>(&'a self, from: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>>;
    }

    /// What comes of opening a store.
    pub(crate) type OpenedRecords<C> = Result<Arc<dyn KeepingRecords<C>>, TransportError>;

    /// A store that is open.
    pub trait KeepingRecords<C>: Records {
        /// Adds records within the transaction of this connection, in as few statements as possible. From then on until the
        /// transaction ends, nobody else adds any: so whoever sees a position sees all that are before it.
        ///
        /// # Errors
        ///
        /// - `Missing` if the connection is one of another database, or there are no tables.
        /// - `Refused` if there is no transaction on it, or it has failed or ended.
        /// - `Unreachable`.
        fn append_within<'a>(
            &'a self,
            batch: Batch,
            transaction: &'a mut C,
        ) -> BoxFuture<'a, Result<Appended, TransportError>>;
    }

    /// The records of one store, on connections of their own.
    pub trait Records: Send + Sync + 'static {
        /// As in `postgres store orders`.
        fn name(&self) -> &Arc<str>;

        /// Whether what was appended survives the end of this process.
        fn is_durable(&self) -> bool {
            true
        }

        /// Which store this is, of all that there are: drawn when it was made, so that a position of another one is known.
        fn tag(&self) -> u32;

        /// Adds records in a transaction of their own. What is dropped before it is ready may be added all the same.
        fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Appended, TransportError>>;

        /// The last position; 0 if there is none.
        fn head(&self) -> BoxFuture<'_, Result<u64, TransportError>>;

        /// Reads records that others have committed, and waits for nobody who writes.
        fn page<'a>(&'a self, span: &'a Span) -> BoxFuture<'a, Result<Page, TransportError>>;

        /// Reads the first page of an entity, where that can be done without asking for the end of the store before: how far it
        /// goes is what there is at that moment. None where it cannot.
        fn first_page<'a>(&'a self, _: &'a Span) -> BoxFuture<'a, Result<Option<Page>, TransportError>> {
            Box::pin(async { Ok(None) })
        }

        /// The time of the first record at or behind this position, and its position.
        fn time_at(&self, position: u64) -> BoxFuture<'_, Result<Option<(u64, i64)>, TransportError>>;

        /// What changes when something may be there that was not. It is only a hint.
        fn bell(&self) -> watch::Receiver<()>;
    }
}

/// What is added together: all of it, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) condition: Option<Wanted>,
}

/// What must not have happened behind a position.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) since: u64,
    /// One of these; none stands for every topic.
    pub(crate) patterns: Vec<Pattern>,
    /// As [`Row::entity`].
    pub(crate) entity: Option<String>,
}

impl Wanted {
    /// Whether this is what must not have happened.
    pub(crate) fn matches(&self, position: u64, topic: &str, entity: Option<&str>) -> bool {
        position > self.since
            && self.entity.as_deref().is_none_or(|wanted| entity == Some(wanted))
            && matches_any(&self.patterns, topic)
    }
}

/// Whether one of these patterns matches; none stands for every topic.
pub(crate) fn matches_any(patterns: &[Pattern], topic: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(topic))
}

/// What came of an append.
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    /// The last of them has this position.
    At(u64),
    /// This is the first that must not have happened, and its body; nothing was added.
    Conflict(u64, Vec<u8>),
    /// The position that the condition names is behind the last one.
    Ahead(u64),
}

/// What a page is to be of.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// From this position on, forward or backward, to the other, both of them too.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) backward: bool,
    /// Topics that nobody asks for may be left out; those that match have to be there.
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) entity: Option<String>,
    /// How many at most, and of how many bytes beyond the first.
    pub(crate) most: usize,
    pub(crate) bytes: usize,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order that was asked for.
    pub(crate) rows: Vec<Row>,
    /// Whether there is nothing more of the span behind them.
    pub(crate) is_last: bool,
    /// How many records there are in the span, whatever their topic, where not all of them were wanted.
    pub(crate) counted: Option<u64>,
}
