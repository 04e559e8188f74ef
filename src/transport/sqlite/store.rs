//! One file of SQLite: how it is opened, and how it is written to.
//!
//! `SqliteBuilder → Store::open → WAL, tables → a pool`, `Store::write → the hub's gate → a connection`

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use super::error::{describe, is_busy, late, of_schema};
use super::hub::Hub;
use super::schema::{self, SchemaError};
use super::standing::{Moved, Standing};
use crate::transport::{ErrorKind, TransportError};

/// One writes, the others read.
const CONNECTIONS: u32 = 4;

/// Beyond this the log of SQLite is cut when it starts anew.
const MAX_LOG_BYTES: &str = "67108864";

/// How many rows the thread of a connection may read ahead: as many as are lent at once, so that it waits for nobody.
const ROWS: usize = 512;

/// How long one waits before it asks for WAL again: no busy timeout of SQLite covers that.
const WAL_PAUSE: Duration = Duration::from_millis(20);

/// How long is waited for connections to a file that is gone: those that the application has may be at work for long.
const CLOSING: Duration = Duration::from_secs(1);
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

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
    standing: Arc<Standing>,
    closed: Arc<Closed>,
    /// Whether the pool is the application's.
    foreign: bool,
}

/// What became of connections of the pool.
#[derive(Debug, Default)]
struct Closed {
    /// When what is open now was opened, if that is not from the beginning: a connection that is older is of another file.
    renewed: Mutex<Option<Instant>>,
    /// Whether one was closed, and perhaps the log with it.
    one: AtomicBool,
}

/// A connection, while nobody else in this process writes to the file.
pub(super) struct Writer<'a> {
    pub(super) connection: PoolConnection<sqlx::Sqlite>,
    _gate: tokio::sync::MutexGuard<'a, ()>,
}

impl Store {
    /// Opens the file, and makes it and its tables if they are not there.
    pub(super) async fn open(
        place: Place,
        deadline: Duration,
        longest: Duration,
        synchronous: SqliteSynchronous,
        at: &Arc<str>,
    ) -> Result<Self, TransportError> {
        let closed = Arc::<Closed>::default();
        let (foreign, named) = match &place {
            Place::File(path) => (false, std::path::absolute(path).ok()),
            Place::Pool(_) => (true, None),
        };
        let at = &match &place {
            Place::File(path) => format!("{at} in {}", path.display()).into(),
            Place::Pool(_) => at.clone(),
        };
        let open = async {
            let pool = match place {
                Place::Pool(pool) => pool,
                Place::File(path) => connect(&path, longest, synchronous, closed.clone(), at).await?,
            };
            let mut connection = pool.acquire().await.map_err(|error| describe(at, &error))?;
            let file = file_of(&mut connection, at).await?;
            schema::prepare(&mut connection).await.map_err(|error| of_schema(at, &error))?;
            let hub = Hub::of(&file);
            let standing = Arc::new(Standing::new(named.unwrap_or(file), !foreign));
            Ok(Self { pool, hub, deadline, standing, closed, foreign })
        };
        tokio::time::timeout(deadline, open).await.unwrap_or_else(|_| Err(late(at, deadline)))
    }

    /// Returns a connection for something that only reads.
    pub(super) async fn read(&self) -> Result<PoolConnection<sqlx::Sqlite>, sqlx::Error> {
        if self.standing.has_moved() {
            let _gate = self.hub.gate.lock().await;
            self.stand().await?;
        } else {
            self.check()?;
        }
        self.pool.acquire().await
    }

    /// Looks whether the file is still the one that is open. What has written looks behind it too: only then it is written.
    ///
    /// # Errors
    ///
    /// Says that it was deleted or replaced. Then it is opened anew by what comes next.
    pub(super) fn check(&self) -> Result<(), sqlx::Error> {
        Ok(self.standing().check()?)
    }

    /// What came of something, if the file was still there then: else that is what is wrong.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), and its own.
    pub(super) fn verified<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.check().and(result)
    }

    fn standing(&self) -> &Standing {
        // A pool that is closed says so itself.
        if self.closed.one.swap(false, Ordering::Relaxed) || self.pool.is_closed() {
            self.standing.forget_log();
        }
        &self.standing
    }

    /// Returns which file this is, of those that there were at its path.
    pub(super) fn generation(&self) -> u64 {
        self.standing.generation()
    }

    /// The same as [`check`](Self::check), but opens anew what was found gone before. The gate has to be held.
    async fn stand(&self) -> Result<(), sqlx::Error> {
        if !self.standing.has_moved() {
            return Ok(self.standing().check_now_and_then()?);
        }
        self.reopen().await.map_err(|error| {
            log::debug!(target: "convoke::transport", "{}: not opened anew: {error}", self.standing.path().display());
            Moved.into()
        })
    }

    /// Lets go of the file that is gone, and opens the one that is there, or makes it.
    async fn reopen(&self) -> Result<(), sqlx::Error> {
        let path = self.standing.path().display();
        // The file too may be gone by now, and afterwards another one can have its number.
        let _ = self.standing.check();
        log::warn!(target: "convoke::transport", "{path} was deleted, moved or replaced, and is opened anew");
        let end = Instant::now() + CLOSING;
        // All of them, before there is a new one: two with different logs would each destroy what the other has written.
        while self.pool.size() > 0 && Instant::now() < end {
            let Some(mut connection) = self.pool.try_acquire() else {
                tokio::time::sleep(CLOSING_PAUSE).await;
                continue;
            };
            // If it was moved, what is only in the log has to be where the file is now.
            let checkpoint = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *connection).await;
            if let Err(error) = checkpoint.and(connection.close().await) {
                log::debug!(target: "convoke::transport", "a connection did not close: {error}");
            }
        }
        *self.closed.renewed() = Some(Instant::now());
        let mut connection = self.pool.acquire().await?;
        if !self.foreign {
            write_ahead(&mut connection).await?;
        }
        schema::prepare(&mut connection).await.map_err(|error| match error {
            SchemaError::Sql(error) => error,
            SchemaError::Newer(_) => Moved.into(),
        })?;
        self.standing.renew();
        Ok(())
    }

    /// Returns a connection for something that writes. What is done with it has to be one statement or one transaction
    /// that is begun with the lock.
    pub(super) async fn write(&self) -> Result<Writer<'_>, sqlx::Error> {
        let gate = self.hub.gate.lock().await;
        self.stand().await?;
        loop {
            let connection = self.pool.acquire().await?;
            if !connection.is_in_transaction() {
                return Ok(Writer { connection, _gate: gate });
            }
            // SQLite has rolled back by itself, as it does when the disk is full, and the client does not know: it would
            // never begin another transaction on this connection.
            self.closed.one.store(true, Ordering::Relaxed);
            if let Err(error) = connection.close().await {
                log::debug!(target: "convoke::transport", "a connection did not close: {error}");
            }
        }
    }
}

impl Closed {
    fn renewed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection of this age is of use to somebody; if not, it is closed.
    fn is_good(&self, connection: &SqliteConnection, age: Duration) -> bool {
        // One of a file that is no longer there.
        if self.renewed().is_some_and(|renewed| age > renewed.elapsed()) {
            return false;
        }
        // One that is left in a transaction: `write` says when that is.
        let is_left = connection.is_in_transaction();
        self.one.fetch_or(is_left, Ordering::Relaxed);
        !is_left
    }
}

async fn connect(
    path: &Path,
    deadline: Duration,
    synchronous: SqliteSynchronous,
    closed: Arc<Closed>,
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
        .before_acquire(move |connection, about| {
            let is_good = closed.is_good(connection, about.age);
            Box::pin(async move { Ok(is_good) })
        })
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
