//! What users hold of a PostgreSQL.
//!
//! `Postgres::connect(url) → PostgresDatabase → queue, inbox`

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::{Instant, timeout};

use super::bells::Bells;
use super::fault::{describe, late};
use super::schema;
use super::session;
use super::within::BEGIN_WITHIN;
use crate::sql::Tables;
use crate::transport::TransportError;

/// A handle of a PostgreSQL, from which queues and inboxes come. Its clones share one pool.
///
/// ```no_run
/// use convoke::transport::Postgres;
///
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Postgres::connect("postgres://localhost/shop").await?;
/// db.migrate().await?;
/// let orders = db.queue("orders").await?;
/// # Ok(())
/// # }
/// ```
///
/// The tables are named `convoke_…` and stand in one schema of PostgreSQL. [`migrate`](Self::migrate) makes them, which
/// you call where your application migrates its own tables.
///
/// PostgreSQL 14 and later are supported. A pooler in transaction mode, as `pgbouncer` is, may stand between: no
/// statement of ours needs a session. Only the wake-up by `NOTIFY` does not pass it, and then a queue is
/// [polled](crate::transport::PostgresBuilder::poll_every).
#[derive(Clone)]
pub struct PostgresDatabase {
    core: Arc<Core>,
}

pub(super) struct Core {
    pub(super) at: Arc<str>,
    pub(super) pool: PgPool,
    pub(super) schema: String,
    pub(super) deadline: Duration,
    bells: Bells,
    /// When it was last asked who keeps vacuum back.
    asked: Mutex<Option<Instant>>,
    /// When it was last said that somebody leaves transactions open.
    told: Mutex<Option<Instant>>,
}

impl Core {
    pub(super) fn new(at: Arc<str>, pool: PgPool, schema: String, deadline: Duration) -> Self {
        let bells = Bells::new(pool.clone(), &schema);
        Self { at, pool, schema, deadline, bells, asked: Mutex::default(), told: Mutex::default() }
    }
}

impl PostgresDatabase {
    pub(super) fn new(core: Core) -> Self {
        Self { core: Arc::new(core) }
    }

    /// Makes the tables that are missing, and brings older ones to the version that this program knows. Processes that
    /// call it at the same time wait for each other, and the second finds it done.
    ///
    /// A process of an older version goes on beside newer tables, as in a rolling deploy, unless a step says that it
    /// may not. Then it gets an error that says so.
    ///
    /// # Errors
    ///
    /// `Denied` if the user may not create tables; `Refused` if the tables are too new for this program; `Unreachable`.
    pub async fn migrate(&self) -> Result<(), TransportError> {
        let core = &self.core;
        timeout(core.deadline, schema::migrate(core)).await.unwrap_or_else(|_| Err(late(&core.at, core.deadline)))
    }

    /// Says how the tables stand: which steps they have had, and which are missing. Nothing is changed.
    ///
    /// # Errors
    ///
    /// `Denied` if the user may not read them; `Unreachable`.
    pub async fn tables(&self) -> Result<Tables, TransportError> {
        let core = &self.core;
        timeout(core.deadline, schema::tables(core)).await.unwrap_or_else(|_| Err(late(&core.at, core.deadline)))
    }

    /// Looks whether the tables are there, and of a version with which this program works.
    pub(crate) async fn check(&self, at: &Arc<str>) -> Result<(), TransportError> {
        let core = &self.core;
        timeout(core.deadline, schema::check(core, at)).await.unwrap_or_else(|_| Err(late(at, core.deadline)))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// `Unreachable` if no connection is to be had within the deadline.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, TransportError> {
        let core = &self.core;
        let begun = timeout(core.deadline, session::begin(&core.pool, BEGIN_WITHIN))
            .await
            .map_err(|_| late(&core.at, core.deadline))?;
        begun.map_err(|error| describe(&core.at, &error))
    }

    /// Returns the pool, for the tables of the application. A pool that this handle has made keeps prepared statements unless
    /// a pooler stands between, as was seen when it connected.
    pub fn pool(&self) -> &PgPool {
        &self.core.pool
    }

    /// The schema, which is an identifier that needs no quotes.
    pub(crate) fn schema(&self) -> &str {
        &self.core.schema
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.core.deadline
    }

    pub(super) fn last_asked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.core.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_told(&self) -> MutexGuard<'_, Option<Instant>> {
        self.core.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bells(&self) -> &Bells {
        &self.core.bells
    }
}

/// Shows neither the address nor the user.
impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDatabase").field("schema", &self.core.schema).finish_non_exhaustive()
    }
}
