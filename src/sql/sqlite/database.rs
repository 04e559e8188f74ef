//! What users hold of a database in a file.
//!
//! `Sqlite::open(file) → SqliteDatabase → queue, inbox`

use std::fmt;
use std::sync::Arc;

use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::time::timeout;

use super::fault::{describe, late, of_schema};
use super::schema;
use super::store::Store;
use crate::sql::Tables;
use crate::transport::TransportError;

/// A handle of a database in a file of SQLite, from which queues and inboxes come. Its clones share one pool.
///
/// ```no_run
/// use convoke::transport::Sqlite;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Sqlite::open("shop.db").await?;
/// let orders = db.queue("orders").await?;
/// let inbox = db.inbox("billing").await?;
/// # Ok(())
/// # }
/// ```
///
/// A file that it opens itself has its tables, named `convoke_…`, made when it is opened. A pool of the application is
/// left as it is: [`migrate`](Self::migrate) makes them, which you call where your application migrates its own tables.
#[derive(Clone)]
pub struct SqliteDatabase {
    store: Store,
    at: Arc<str>,
}

impl SqliteDatabase {
    pub(super) fn new(store: Store, at: Arc<str>) -> Self {
        Self { store, at }
    }

    /// Makes the tables that are missing, and brings older ones to the version that this program knows. Processes that
    /// call it at the same time wait for each other, and the second finds it done.
    ///
    /// # Errors
    ///
    /// `Refused` if the tables are too new for this program, `Unreachable` if the file stays locked.
    pub async fn migrate(&self) -> Result<(), TransportError> {
        let prepared = async {
            let mut writer = self.store.write().await.map_err(|error| describe(&self.at, &error))?;
            schema::prepare(&mut writer.connection).await.map_err(|error| of_schema(&self.at, &error))
        };
        timeout(self.store.deadline, prepared).await.unwrap_or_else(|_| Err(late(&self.at, self.store.deadline)))
    }

    /// Says how the tables stand: which steps they have had, and which are missing. Nothing is changed.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline, `Refused` if the file is damaged or no database of SQLite.
    pub async fn tables(&self) -> Result<Tables, TransportError> {
        let read = async {
            let mut connection = self.store.read().await?;
            schema::tables(&mut connection).await
        };
        let read = timeout(self.store.deadline, read).await.map_err(|_| late(&self.at, self.store.deadline))?;
        read.map_err(|error| describe(&self.at, &error))
    }

    /// Begins a transaction with `BEGIN IMMEDIATE`. What `pool.begin()` begins is deferred: after it has read, it may
    /// find that it cannot write any more, because somebody else has written meanwhile.
    ///
    /// # Errors
    ///
    /// `Unreachable` if the file stays locked for the deadline.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, TransportError> {
        let begun = async {
            loop {
                match self.store.pool.begin_with("BEGIN IMMEDIATE").await {
                    // The connection is left in one that SQLite has ended by itself.
                    Err(sqlx::Error::InvalidSavePointStatement) => drop(self.store.sound().await?),
                    begun => return begun,
                }
            }
        };
        let begun = timeout(self.store.deadline, begun).await;
        begun.map_err(|_| late(&self.at, self.store.deadline))?.map_err(|error| describe(&self.at, &error))
    }

    /// Returns the pool of connections to the file, for the tables of the application.
    pub fn pool(&self) -> &SqlitePool {
        &self.store.pool
    }

    /// Looks whether the tables are there, and of a version with which this program works.
    pub(crate) async fn checked(&self, at: &Arc<str>) -> Result<&Store, TransportError> {
        let checked = async {
            let mut connection = self.store.read().await.map_err(|error| describe(at, &error))?;
            schema::check(&mut connection).await.map_err(|error| of_schema(at, &error))
        };
        timeout(self.store.deadline, checked).await.unwrap_or_else(|_| Err(late(at, self.store.deadline)))?;
        Ok(&self.store)
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabase").field("deadline", &self.store.deadline).finish_non_exhaustive()
    }
}
