//! One file of SQLite: how it is opened, and how it is written to.
//!
//! `SqliteBuilder → Store::open → WAL, tables → a pool`, `Store::write → the hub's gate → the connection that is kept`

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};

use super::fault::{describe, is_busy, late, of_schema};
use super::hub::Hub;
use super::kept::Lent;
use super::schema::{self, SchemaError};
use super::standing::{Closed, Moved, Standing, moved};
use crate::transport::{ErrorKind, TransportError};

/// Those that read, and those of the application. The one that writes for queues and outboxes is beside them.
const CONNECTIONS: u32 = 4;

/// Beyond this the log of SQLite is cut when it starts anew.
const MAX_LOG_BYTES: &str = "67108864";

/// How many rows the thread of a connection may read ahead: as many as are lent at once, so that it waits for nobody.
const ROWS: usize = 512;

/// How long one waits before it asks for WAL again: no busy timeout of SQLite covers that.
const WAL_PAUSE: Duration = Duration::from_millis(20);

/// Waits beyond this are waits for ever: a century.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where the file is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Pool(SqlitePool),
}

impl Place {
    /// The file at this path, which may begin as a URL does.
    pub(crate) fn file(file: &Path) -> Self {
        let path =
            file.to_str().and_then(|text| text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")));
        Self::File(path.map_or_else(|| file.to_owned(), PathBuf::from))
    }

    /// Looks whether its path would be read as something else, or leads to something else than a file.
    pub(crate) fn check(&self, at: &Arc<str>) -> Result<(), TransportError> {
        let Self::File(file) = self else { return Ok(()) };
        let text = match file.to_str() {
            Some("") => "it names no file: write `sqlite:orders.db`",
            Some(":memory:") => "a database in memory is lost with its connection: give it a file, or take `Memory`",
            Some(path) if path.contains("://") => {
                "it is the URL of another server: name a file, as in `sqlite:orders.db`"
            }
            Some(path) if path.contains('?') => "a path has no options: leave out the `?` and what is behind it",
            _ => return is_a_file(file, at),
        };
        Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text))
    }
}

/// Looks whether what is at a path can be a database: a pipe would be waited for, and SQLite says of a folder that it cannot be opened.
///
/// # Errors
///
/// `Refused` if something else than a file is there.
pub(crate) fn is_a_file(path: &Path, at: &Arc<str>) -> Result<(), TransportError> {
    let text = match fs::metadata(path) {
        Ok(there) if there.is_dir() => "it is a folder: name a file in it, as in `sqlite:shop/shop.db`",
        Ok(there) if !there.is_file() => "it is no file but a pipe, a socket or a device: name a file",
        // What else is wrong SQLite says.
        _ => return Ok(()),
    };
    // What looks like a password is none of an error's business.
    let at = match path.to_string_lossy() {
        name if name.contains('@') => at.clone(),
        name => format!("{at} in {name}").into(),
    };
    Err(TransportError::new(ErrorKind::Refused, at, text))
}

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) pool: SqlitePool,
    pub(crate) hub: Arc<Hub>,
    pub(crate) deadline: Duration,
    standing: Arc<Standing>,
    /// Whether the pool is the application's.
    foreign: bool,
    /// Whether the file of another database that comes to its path is given what it has not.
    makes: bool,
}

/// A connection, while nobody else in this process writes to the file.
pub(crate) struct Writer<'a> {
    pub(crate) connection: Lent<'a>,
    _gate: tokio::sync::MutexGuard<'a, ()>,
}

/// A connection that only reads. It may be the one that is kept, and then nobody else in this process writes meanwhile.
pub(crate) struct Reader<'a> {
    pub(crate) connection: Lent<'a>,
    _gate: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl Store {
    /// Opens the file. If that is wanted, makes it if it is not there, turns its write-ahead log on, and makes its tables.
    pub(crate) async fn open(
        place: Place,
        deadline: Duration,
        longest: Duration,
        synchronous: SqliteSynchronous,
        make: bool,
        at: &Arc<str>,
    ) -> Result<Self, TransportError> {
        let closed = Arc::<Closed>::default();
        let (foreign, named) = match &place {
            Place::File(path) => (false, std::path::absolute(path).ok()),
            Place::Pool(_) => (true, None),
        };
        let at = &match &place {
            // What looks like a password is none of an error's business.
            Place::File(path) if path.to_string_lossy().contains('@') => at.clone(),
            Place::File(path) => format!("{at} in {}", path.display()).into(),
            Place::Pool(_) => at.clone(),
        };
        let open = async {
            if let Some(path) = &named {
                let hub = Hub::of(&followed(path));
                let _gate = hub.gate.lock().await;
                if hub.standings().iter().any(|standing| standing.check().is_err()) {
                    hub.let_go().await.map_err(|moved| describe(at, &moved.into()))?;
                }
            }
            let pool = match place {
                Place::Pool(pool) => pool,
                Place::File(path) => connect(&path, longest, synchronous, make, closed.clone(), at).await?,
            };
            let mut connection = pool.acquire().await.map_err(|error| describe(at, &error))?;
            let file = file_of(&mut connection, at).await?;
            if make {
                schema::prepare(&mut connection).await.map_err(|error| of_schema(at, &error))?;
            }
            let hub = Hub::of(&file);
            let standing = Arc::new(Standing::new(named.unwrap_or(file), pool.clone(), foreign, closed));
            hub.enter(&standing);
            if !foreign {
                Standing::close_with_pool(&standing);
            }
            Ok(Self { pool, hub, deadline, standing, foreign, makes: make || foreign })
        };
        tokio::time::timeout(deadline, open).await.unwrap_or_else(|_| Err(late(at, deadline)))
    }

    /// The same file with another deadline.
    pub(crate) fn within(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Returns a connection for something that only reads.
    pub(crate) async fn read(&self) -> Result<PoolConnection<sqlx::Sqlite>, sqlx::Error> {
        if self.standing.has_moved() {
            let _gate = self.hub.gate.lock().await;
            self.stand().await?;
        } else {
            self.check()?;
        }
        self.acquire().await
    }

    /// The same for what is over at once: that waits for nobody, but whoever writes waits for it.
    pub(crate) async fn glance(&self) -> Result<Reader<'_>, sqlx::Error> {
        if !self.foreign
            && !self.standing.has_moved()
            && let Ok(gate) = self.hub.gate.try_lock()
        {
            self.check()?;
            return Ok(Reader { connection: self.kept().await?, _gate: Some(gate) });
        }
        Ok(Reader { connection: Lent::Pooled(self.read().await?), _gate: None })
    }

    /// Returns a connection. One that is opened now may meet a log that is gone, which others still have open: what SQLite
    /// calls a failure of the disk then is none.
    async fn acquire(&self) -> Result<PoolConnection<sqlx::Sqlite>, sqlx::Error> {
        self.pool.acquire().await.map_err(|error| self.check().err().unwrap_or(error))
    }

    /// Returns the connection that is kept. The gate has to be held.
    async fn kept(&self) -> Result<Lent<'_>, sqlx::Error> {
        self.standing.lend().await.map_err(|error| self.check().err().unwrap_or(error))
    }

    /// Looks whether the file is still the one that is open. What has written looks behind it too: only then it is written.
    ///
    /// # Errors
    ///
    /// Says that it was deleted or replaced. Then it is opened anew by what comes next.
    pub(crate) fn check(&self) -> Result<(), sqlx::Error> {
        Ok(self.standing().check()?)
    }

    /// What came of something, if the file was still there then: else that is what is wrong.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), and its own.
    pub(crate) fn verified<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.check().and(result)
    }

    fn standing(&self) -> &Standing {
        self.standing.forget_log_if_closed();
        &self.standing
    }

    /// Whether a connection is in a transaction, as SQLite says and not as the client remembers: SQLite rolls back by itself
    /// where the disk is full or a statement says `OR ROLLBACK`, and what is written next would be there by itself.
    pub(crate) async fn is_in_transaction(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        // Within a transaction none can begin: there is no other question that asks for it.
        match sqlx::raw_sql("BEGIN").execute(&mut *connection).await {
            Ok(_) => {
                sqlx::raw_sql("ROLLBACK").execute(connection).await?;
                Ok(false)
            }
            Err(sqlx::Error::Database(said)) if said.message().contains("within a transaction") => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether a connection, which need not be of this pool, has this file open.
    pub(crate) async fn is_behind(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let list = "SELECT file FROM pragma_database_list WHERE name = 'main'";
        let file: Option<String> = sqlx::query_scalar(list).fetch_one(connection).await?;
        Ok(file.is_some_and(|file| followed(Path::new(&file)) == followed(self.standing.path())))
    }

    /// Returns the path of the file, the same for all who have it open.
    pub(crate) fn file(&self) -> PathBuf {
        followed(self.standing.path())
    }

    /// Returns which file this is, of those that there were at its path.
    pub(crate) fn generation(&self) -> u64 {
        self.standing.generation()
    }

    /// The same as [`check`](Self::check), but opens anew what was found gone before. The gate has to be held.
    async fn stand(&self) -> Result<(), sqlx::Error> {
        if !self.standing.has_moved() {
            return Ok(self.standing().check_now_and_then()?);
        }
        self.reopen().await.map_err(|error| {
            log::debug!(target: "convoke::transport", "{}: not opened anew: {error}", self.standing.path().display());
            moved(&error).unwrap_or(Moved::Gone).into()
        })
    }

    /// Lets go of the file that is gone, and opens the one that is there, or makes it: for all handles of this process, for
    /// a connection that is closed last takes the log at the path away, whoever has made it.
    async fn reopen(&self) -> Result<(), sqlx::Error> {
        let path = self.standing.path().display();
        let all = self.hub.let_go().await?;
        log::warn!(target: "convoke::transport", "{path} was deleted, moved or replaced, and is opened anew");
        // Makes the file, if there is none. What is opened from here on is this one, or all of it is done again.
        self.pool.acquire().await?.close().await?;
        let file = self.standing.file_at_path();
        let mut connection = self.pool.acquire().await?;
        if !self.foreign && self.makes {
            write_ahead(&mut connection).await?;
        }
        if self.makes {
            schema::prepare(&mut connection).await.map_err(|error| match error {
                SchemaError::Sql(error) => error,
                SchemaError::Unfit(_) | SchemaError::Missing => Moved::Gone.into(),
            })?;
        }
        let mut opened = vec![&self.standing];
        for other in all.iter().filter(|other| !Arc::ptr_eq(other, &self.standing)) {
            match open_log(other).await {
                Ok(()) => opened.push(other),
                // It opens anew by itself when it is used, if it ever is.
                Err(error) => {
                    log::debug!(target: "convoke::transport", "{path}: one handle is not opened anew: {error}")
                }
            }
        }
        if file.is_none() || self.standing.file_at_path() != file {
            return Err(Moved::Gone.into());
        }
        opened.iter().for_each(|standing| standing.renew());
        Ok(())
    }

    /// Returns a connection for something that writes. What is done with it has to be one statement or one transaction
    /// that is begun with the lock.
    ///
    /// It is the one that is kept, and of a pool of the application one of those: only its pool knows how to open another.
    pub(crate) async fn write(&self) -> Result<Writer<'_>, sqlx::Error> {
        let gate = self.hub.gate.lock().await;
        self.stand().await?;
        if !self.foreign {
            return Ok(Writer { connection: self.kept().await?, _gate: gate });
        }
        Ok(Writer { connection: Lent::Pooled(self.sound().await?), _gate: gate })
    }

    /// Returns a connection of the pool on which a transaction can begin, and closes those on which none can: SQLite has rolled back
    /// by itself, as it does when the disk is full, and the client does not know.
    pub(super) async fn sound(&self) -> Result<PoolConnection<sqlx::Sqlite>, sqlx::Error> {
        loop {
            let connection = self.acquire().await?;
            if !connection.is_in_transaction() {
                return Ok(connection);
            }
            self.standing.note_closed();
            if let Err(error) = connection.close().await {
                log::debug!(target: "convoke::transport", "a connection did not close: {error}");
            }
        }
    }
}

/// Has another handle open what is at the path now: the log is there for as long as somebody has it open.
async fn open_log(standing: &Standing) -> Result<(), sqlx::Error> {
    if let Some(pool) = standing.own_pool() {
        write_ahead(&mut *pool.acquire().await?).await?;
    }
    Ok(())
}

async fn connect(
    path: &Path,
    deadline: Duration,
    synchronous: SqliteSynchronous,
    make: bool,
    closed: Arc<Closed>,
    at: &Arc<str>,
) -> Result<SqlitePool, TransportError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(make)
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
    if !make {
        return Ok(pool);
    }
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
    Ok(followed(Path::new(&file)))
}

/// Follows the links of a path, whether or not there is a file at its end. One that cannot be followed is still a name.
fn followed(path: &Path) -> PathBuf {
    let with_name = |folder: PathBuf| Some(folder.join(path.file_name()?));
    let of_folder = || path.parent().and_then(|folder| std::fs::canonicalize(folder).ok()).and_then(with_name);
    std::fs::canonicalize(path).ok().or_else(of_folder).unwrap_or_else(|| path.to_owned())
}

/// The date in milliseconds since 1970, by the clock that all processes on this machine share.
pub(crate) fn now() -> i64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// The date after so long; never before it, and at the latest in a century.
pub(crate) fn after(start: i64, wait: Duration) -> i64 {
    let wait = wait.min(FOREVER);
    let part = i64::from(!wait.subsec_nanos().is_multiple_of(1_000_000));
    start.saturating_add(millis(wait)).saturating_add(part)
}

fn millis(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap_or(i64::MAX)
}
