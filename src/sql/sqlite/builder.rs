//! How a database in a file is described before it is opened.
//!
//! `Sqlite::open(file) | Sqlite::over(pool) → SqliteDatabaseBuilder → await → SqliteDatabase`

use std::fmt;
use std::future::IntoFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;

use super::database::SqliteDatabase;
use super::store::{Place, Store};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

const DEADLINE: Duration = Duration::from_secs(10);
/// SQLite counts its busy timeout in milliseconds, in 32 bits.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// Describes a [`SqliteDatabase`] before it is opened. Created by [`Sqlite::open`](crate::transport::Sqlite::open) and
/// [`Sqlite::over`](crate::transport::Sqlite::over); awaiting it opens the file.
#[derive(Clone)]
#[must_use = "it is opened when it is awaited"]
pub struct SqliteDatabaseBuilder {
    place: Place,
    deadline: Duration,
    synchronous: SqliteSynchronous,
    makes: bool,
}

impl SqliteDatabaseBuilder {
    pub(crate) fn open(file: impl AsRef<Path>) -> Self {
        Self::of(Place::file(file.as_ref()))
    }

    pub(crate) fn over(pool: &SqlitePool) -> Self {
        Self::of(Place::Pool(pool.clone()))
    }

    fn of(place: Place) -> Self {
        let makes = matches!(place, Place::File(_));
        Self { place, deadline: DEADLINE, synchronous: SqliteSynchronous::Normal, makes }
    }

    /// Sets how long a call may take while another connection keeps the file locked, before it fails with
    /// `Unreachable`. The default is 10 s, and the most is a day.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(MAX_DEADLINE);
        self
    }

    /// Confirms only what the disk has, so that it survives a power cut too. By default, what is confirmed survives the
    /// death of every process, but a power cut may lose the latest of it. This setting has no effect on a pool of the
    /// application, which has its own.
    pub fn survive_power_cut(mut self) -> Self {
        self.synchronous = SqliteSynchronous::Full;
        self
    }

    /// Opens a file only if it is there, and makes neither it nor tables in it: for who looks. Without this, both are made if they
    /// are missing. A database whose tables are older has to be [migrated](SqliteDatabase::migrate) then before it is used. This
    /// setting has no effect on a pool of the application, of which nothing is made in any case.
    pub fn existing(mut self) -> Self {
        self.makes = false;
        self
    }

    async fn opened(self) -> Result<SqliteDatabase, TransportError> {
        let at: Arc<str> = "sqlite".into();
        self.place.check(&at)?;
        if let Place::File(file) = &self.place
            && !self.makes
            && !file.try_exists().unwrap_or(true)
        {
            let text = "there is no such file: look at its path, which begins in the folder of this process";
            // What looks like a password is none of an error's business.
            let at = match file.to_string_lossy() {
                path if path.contains('@') => at,
                path => format!("{at}:{path}").into(),
            };
            return Err(TransportError::new(ErrorKind::Missing, at, text));
        }
        // What writes waits in SQLite for as long as a publish may take.
        let longest = self.deadline.max(Duration::from_secs(30));
        let store = Store::open(self.place, self.deadline, longest, self.synchronous, self.makes, &at).await?;
        Ok(SqliteDatabase::new(store, at))
    }
}

/// Opens the file, and makes it and its tables if they are missing. A pool of the application is left as it is.
///
/// # Errors
///
/// - `Denied` if the file cannot be opened or written to.
/// - `Refused` if it is damaged, is no database of SQLite, is no file but a folder, a pipe or a device, or was written by a
///   newer version of this crate that lets no older one use it.
/// - `Unreachable` if the file stays locked.
/// - `Missing` if it has to be an [existing](SqliteDatabaseBuilder::existing) one, and is not there.
/// - `Unsupported` for a path that names no file, or for a database in memory.
impl IntoFuture for SqliteDatabaseBuilder {
    type Output = Result<SqliteDatabase, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.opened())
    }
}

/// Does not show the options of the pool's file, which are long.
impl fmt::Debug for SqliteDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabaseBuilder").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
