//! One file of SQLite: how it is opened, and how it is written to.
//!
//! `SqliteBuilder → Store::open → WAL, tables → a pool`, `Store::write → the hub's gate → a connection`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::MutexGuard;

use super::error::{describe, is_busy, late, of_schema};
use super::hub::Hub;
use super::schema;
use crate::transport::{ErrorKind, TransportError};

/// One writes, the others read.
const CONNECTIONS: u32 = 4;

/// Beyond this the log of SQLite is cut when it starts anew.
const MAX_LOG_BYTES: &str = "67108864";

/// How many rows the thread of a connection may read ahead: as many as are lent at once, so that it waits for nobody.
const ROWS: usize = 512;

/// How long one waits before it asks for WAL again: no busy timeout of SQLite covers that.
const WAL_PAUSE: Duration = Duration::from_millis(20);

/// Waits beyond this are waits for ever: a century.
pub(super) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where the file is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    Pool(SqlitePool),
}

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) pool: SqlitePool,
    pub(super) hub: Arc<Hub>,
    pub(super) deadline: Duration,
}

/// A connection, while nobody else in this process writes to the file.
pub(super) struct Writer<'a> {
    pub(super) connection: PoolConnection<sqlx::Sqlite>,
    _gate: MutexGuard<'a, ()>,
}

impl Store {
    /// Opens the file, and makes it and its tables if they are not there.
    pub(super) async fn open(
        place: Place,
        deadline: Duration,
        synchronous: SqliteSynchronous,
        at: &Arc<str>,
    ) -> Result<Self, TransportError> {
        let at = &match &place {
            Place::File(path) => format!("{at} in {}", path.display()).into(),
            Place::Pool(_) => at.clone(),
        };
        let open = async {
            let pool = match place {
                Place::Pool(pool) => pool,
                Place::File(path) => connect(&path, deadline, synchronous, at).await?,
            };
            let mut connection = pool.acquire().await.map_err(|error| describe(at, &error))?;
            let file = file_of(&mut connection, at).await?;
            schema::prepare(&mut connection).await.map_err(|error| of_schema(at, &error))?;
            Ok(Self { pool, hub: Hub::of(&file), deadline })
        };
        tokio::time::timeout(deadline, open).await.unwrap_or_else(|_| Err(late(at, deadline)))
    }

    /// Returns a connection for something that writes. What is done with it has to be one statement or one transaction
    /// that is begun with the lock.
    pub(super) async fn write(&self) -> Result<Writer<'_>, sqlx::Error> {
        let gate = self.hub.gate.lock().await;
        loop {
            let connection = self.pool.acquire().await?;
            if !connection.is_in_transaction() {
                return Ok(Writer { connection, _gate: gate });
            }
            // SQLite has rolled back by itself, as it does when the disk is full, and the client does not know: it would
            // never begin another transaction on this connection.
            if let Err(error) = connection.close().await {
                log::debug!(target: "convoke::transport", "a connection did not close: {error}");
            }
        }
    }
}

async fn connect(
    path: &Path,
    deadline: Duration,
    synchronous: SqliteSynchronous,
    at: &Arc<str>,
) -> Result<SqlitePool, TransportError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(deadline)
        .row_buffer_size(ROWS)
        .synchronous(synchronous)
        .pragma("journal_size_limit", MAX_LOG_BYTES)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(deadline)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // One that is left in a transaction is of no use to anybody: `write` says when that is.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .connect_with(options)
        .await
        .map_err(|error| describe(at, &error))?;
    let mut connection = pool.acquire().await.map_err(|error| describe(at, &error))?;
    let wal = write_ahead(&mut connection).await.map_err(|error| describe(at, &error))?;
    drop(connection);
    if !wal {
        let text = "its file system or its kind has no write-ahead log: put the file on a local disk";
        return Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text));
    }
    Ok(pool)
}

/// Turns the write-ahead log on, for good, and returns whether it is. Who does so needs the file for itself for a moment.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    loop {
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
        if mode == "wal" {
            return Ok(true);
        }
        match sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Ok(mode) => return Ok(mode == "wal"),
            // Whoever opens the file waits for no longer than its deadline.
            Err(error) if is_busy(&error) => tokio::time::sleep(WAL_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}

/// Returns the path of the file that is behind a connection, the same for all who have opened it.
async fn file_of(connection: &mut SqliteConnection, at: &Arc<str>) -> Result<PathBuf, TransportError> {
    let list = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let file: Option<String> =
        sqlx::query_scalar(list).fetch_one(connection).await.map_err(|error| describe(at, &error))?;
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        let text = "a database in memory is lost with its connection: give it a file, or take `Memory`";
        return Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text));
    };
    // A path that cannot be followed is still a name.
    Ok(std::fs::canonicalize(&file).unwrap_or_else(|_| file.into()))
}

/// The date in milliseconds since 1970, by the clock that all processes on this machine share.
pub(super) fn now() -> i64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// The date after so long; never before it, and at the latest in a century.
pub(super) fn after(start: i64, wait: Duration) -> i64 {
    let wait = wait.min(FOREVER);
    let part = i64::from(!wait.subsec_nanos().is_multiple_of(1_000_000));
    start.saturating_add(millis(wait)).saturating_add(part)
}

fn millis(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap_or(i64::MAX)
}
