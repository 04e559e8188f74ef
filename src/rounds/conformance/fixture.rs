//! What the suite has to know of a store: how to make a database that nobody else uses, and how it is hurt.

use std::any::Any;

use crate::durable::store::RoundDatabase;
use crate::transport::{BoxFuture, TransportError};

/// A store as the suite uses it. The suite asks one fixture for a new database in each case.
pub trait Fixture: Send + Sync {
    /// What a broker is made durable by.
    type Database: RoundDatabase;

    /// Returns the name of the store in the table, as in `postgres`.
    fn name(&self) -> &str;

    /// Makes a database in which nothing is, and that nobody else uses.
    ///
    /// # Errors
    ///
    /// Those of the database. Every case fails then.
    fn database(&self) -> BoxFuture<'_, Result<Self::Database, TransportError>>;

    /// Has one of the writes of a work fail from now on, until what this returns is called. The first of them is number 0; in the suite
    /// each of them is broken once. The broker is `approvals`, and has a consumer `audit`. Returns `None` behind the last one, and where nobody can
    /// do that, which is the default.
    fn break_write<'a>(&'a self, db: &'a Self::Database, number: usize) -> Option<BoxFuture<'a, Mend>> {
        let _ = (db, number);
        None
    }

    /// Holds up what is written to this outbox by this key, so that whoever closes a round waits with the round in hand, until what this
    /// returns is dropped. Returns `None` where a work cannot be held up, or holds everything, which is the default.
    fn hold<'a>(&'a self, db: &'a Self::Database, outbox: &'a str, key: &'a str) -> Option<BoxFuture<'a, Held>> {
        let _ = (db, outbox, key);
        None
    }

    /// Puts an empty database in the place of this one, as whoever restores a backup does. Returns `None` where there is none to be
    /// replaced, which is the default.
    fn replace<'a>(&'a self, db: &'a Self::Database) -> Option<BoxFuture<'a, ()>> {
        let _ = db;
        None
    }
}

/// Has a write succeed again.
pub type Mend = Box<dyn FnOnce() -> BoxFuture<'static, ()>>;

/// What holds something up until it is dropped.
pub type Held = Box<dyn Any>;
