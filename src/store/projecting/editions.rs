//! What a projection needs of the database of its rows: how far each edition is, in the same transaction as they.
//!
//! `Projection → Editions::{begin, list, insert, advance, stands, switch} → convoke_projection`

use std::sync::Arc;

use crate::store::StoreDatabase;
use crate::transport::{BoxFuture, TransportError};

/// A database that can keep a projection: each that can keep a store.
pub trait ProjectionDatabase: StoreDatabase + sealed::KeepsEditions<<Self as StoreDatabase>::Connection> {}

impl<D: StoreDatabase + sealed::KeepsEditions<<Self as StoreDatabase>::Connection>> ProjectionDatabase for D {}

pub(crate) mod sealed {
    use super::*;

    /// What the database does for a projection, which nobody outside may implement or call.
    pub trait KeepsEditions<C>: Sized {
        /// Looks whether the tables are there.
        fn editions(&self, name: Arc<str>) -> BoxFuture<'_, Result<Arc<dyn Editions<C>>, TransportError>>;
    }

    /// The editions of one projection. What has a connection is done in its transaction.
    pub trait Editions<C>: Send + Sync {
        /// Whether rows are in tables. What else there may be is not written before the commit.
        fn has_tables(&self) -> bool {
            true
        }

        /// Begins a transaction.
        fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<C>>, TransportError>>;

        /// All of them, in the order of their numbers.
        fn list(&self) -> BoxFuture<'_, Result<Vec<Built>, TransportError>>;

        /// The same, and nobody changes them until the transaction ends.
        fn lock<'a>(&'a self, tx: &'a mut C) -> BoxFuture<'a, Result<Vec<Built>, TransportError>>;

        /// Notes a new edition, unless somebody else has: says which.
        fn insert<'a>(&'a self, tx: &'a mut C, built: Built) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// Moves an edition from a position to another, unless somebody else has moved it: says which.
        fn advance<'a>(
            &'a self,
            tx: &'a mut C,
            edition: i64,
            from: u64,
            to: u64,
        ) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// Whether the transaction still stands after what is not ours: it sees this edition at this position, as it has moved it.
        /// PostgreSQL undoes a transaction in which a statement has failed, and tells it to nobody who commits.
        fn stands<'a>(
            &'a self,
            tx: &'a mut C,
            edition: i64,
            position: u64,
        ) -> BoxFuture<'a, Result<bool, TransportError>>;

        /// How many rows were written on this connection, to compare; none where nobody counts.
        fn written<'a>(&'a self, tx: &'a mut C) -> BoxFuture<'a, Result<Option<i64>, TransportError>>;

        /// Has the new edition be the present one, and forgets the old one.
        fn switch<'a>(&'a self, tx: &'a mut C, old: i64, new: i64) -> BoxFuture<'a, Result<(), TransportError>>;
    }

    /// A transaction of a projection. Dropped, it is rolled back.
    pub trait Work<C>: Send {
        fn connection(&mut self) -> &mut C;

        fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>>;
    }
}

/// How far an edition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    pub(super) edition: i64,
    pub(super) is_present: bool,
    /// The tag of the store.
    pub(super) store: u32,
    /// Of which records and in which version its rows are, see [`Read::reads_in`](crate::store::Read).
    pub(super) reads: i64,
    pub(super) position: u64,
}
