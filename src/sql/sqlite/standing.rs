//! Whether the file that is open is still the one at its path: one that was deleted or replaced goes on taking what is
//! written, and nobody finds it there again.
//!
//! `Store::{read, write} → Standing::check (device and inode of the path) → Moved → Store::reopen → Standing::close`

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::kept::{Kept, Lent};

/// How long is waited for connections to a file that is gone.
pub(super) const CLOSING: Duration = Duration::from_secs(1);

/// How often is looked whether a connection to a file that is gone is free.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// For how long a look is as good as another, before something that looks again when it is done.
const FRESH: Duration = Duration::from_millis(10);

/// What tells a file from another one of its name: device and inode, where there are such.
pub(super) type Identity = (u64, u64);

/// The path does not lead to what is open any more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moved {
    /// What comes next opens what is there.
    Gone,
    /// A connection to what is gone is not given back to its pool: nothing may be made at the path before.
    Held,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its file was deleted, moved or replaced, and what was in it is there no more: ")?;
        match self {
            Self::Gone => f.write_str("it is opened anew; leave the files of a database alone while it is in use"),
            Self::Held => write!(
                f,
                "it is opened anew once a connection to the old file is back in its pool, from which this process has it for \
                 longer than {CLOSING:?}; end its transaction, or drop it"
            ),
        }
    }
}

impl std::error::Error for Moved {}

impl From<Moved> for sqlx::Error {
    fn from(moved: Moved) -> Self {
        Self::Configuration(Box::new(moved))
    }
}

/// What this error says of a file that has moved, if it does.
pub(super) fn moved(error: &sqlx::Error) -> Option<Moved> {
    match error {
        sqlx::Error::Configuration(error) => error.downcast_ref().copied(),
        _ => None,
    }
}

/// What one handle has open.
#[derive(Debug)]
pub(super) struct Standing {
    pool: SqlitePool,
    /// Beside a pool that we have opened.
    kept: Kept,
    /// Whether the pool is the application's.
    foreign: bool,
    closed: Arc<Closed>,
    path: PathBuf,
    /// The write-ahead log beside the file that the path leads to.
    log: PathBuf,
    state: Mutex<State>,
}

/// What became of connections of the pool.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// When what is open now was opened, if that is not from the beginning: a connection that is older is of another file.
    renewed: Mutex<Option<Instant>>,
    /// Whether one was closed, and perhaps the log with it.
    one: AtomicBool,
}

#[derive(Debug)]
struct State {
    file: Option<Identity>,
    /// `None` if it is not looked at: a pool of the application may have closed its last connection, and the log with it.
    log: Option<Identity>,
    checked: Instant,
    moved: bool,
    /// Whether that is the file, and not the log alone.
    replaced: bool,
    /// How many files there were at this path. What was lent from one is nothing in another.
    generation: u64,
}

impl Standing {
    /// Notes what this pool has open at this path. It has to be open, so that there is a log.
    pub(super) fn new(path: PathBuf, pool: SqlitePool, foreign: bool, closed: Arc<Closed>) -> Self {
        let log = log_of(&path);
        let state = State {
            file: identity(&path).ok(),
            log: if foreign { None } else { identity(&log).ok() },
            checked: Instant::now(),
            moved: false,
            replaced: false,
            generation: 0,
        };
        Self { pool, kept: Kept::default(), foreign, closed, path, log, state: Mutex::new(state) }
    }

    /// Looks whether it is still there: two questions to the system, about two microseconds each.
    ///
    /// # Errors
    ///
    /// `Moved`, until it is [renewed](Self::renew).
    pub(super) fn check(&self) -> Result<(), Moved> {
        let mut state = self.state();
        let is = |path: &Path, was: Option<Identity>| was.is_none() || identity(path).ok() == was;
        state.replaced |= !is(&self.path, state.file);
        state.moved |= state.replaced || !is(&self.log, state.log);
        state.checked = Instant::now();
        if state.moved { Err(Moved::Gone) } else { Ok(()) }
    }

    /// The same, unless somebody has looked a moment ago.
    pub(super) fn check_now_and_then(&self) -> Result<(), Moved> {
        if !self.has_moved() && self.state().checked.elapsed() < FRESH { Ok(()) } else { self.check() }
    }

    /// Looks, and notes that it is to be opened anew whatever it sees: another handle of this process has found it gone.
    pub(super) fn note_moved(&self) {
        let _ = self.check();
        self.state().moved = true;
    }

    /// Notes that a connection was closed: its log goes with the last one.
    pub(super) fn note_closed(&self) {
        self.closed.one.store(true, Ordering::Relaxed);
    }

    /// Looks at the log no more if one was closed. A pool that is closed says so itself.
    pub(super) fn forget_log_if_closed(&self) {
        if self.closed.one.swap(false, Ordering::Relaxed) || self.pool.is_closed() {
            self.state().log = None;
        }
    }

    /// Closes the connections to the file that is gone, and returns whether there is none left. A pool of the application may
    /// have opened others meanwhile, or be at work for long: what it has is not waited for beyond this date.
    pub(super) async fn close(&self, end: Instant) -> bool {
        self.kept.close().await;
        while self.pool.size() > 0 {
            if let Some(mut connection) = self.pool.try_acquire() {
                // If it was moved, what is only in the log has to be where the file is now.
                let checkpoint = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *connection).await;
                if let Err(error) = checkpoint.and(connection.close().await) {
                    log::debug!(target: "convoke::transport", "a connection did not close: {error}");
                }
            } else if Instant::now() < end {
                tokio::time::sleep(CLOSING_PAUSE).await;
            } else {
                return self.foreign || self.pool.is_closed();
            }
        }
        true
    }

    /// Lends the connection that is kept.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, sqlx::Error> {
        self.kept.lend(&self.pool, || self.note_closed()).await
    }

    /// Closes what is kept when the pool is closed: nobody uses it any more.
    pub(super) fn close_with_pool(standing: &Arc<Self>) {
        let (closed, standing) = (standing.pool.close_event(), Arc::downgrade(standing));
        tokio::spawn(async move {
            closed.await;
            if let Some(standing) = standing.upgrade() {
                standing.kept.close().await;
            }
        });
    }

    /// Returns the pool, unless it is the application's.
    pub(super) fn own_pool(&self) -> Option<&SqlitePool> {
        (!self.foreign).then_some(&self.pool)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has_moved(&self) -> bool {
        self.state().moved
    }

    /// Returns which file this is, of those that there were at this path.
    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Returns which file is at the path now.
    pub(super) fn file_at_path(&self) -> Option<Identity> {
        identity(&self.path).ok()
    }

    /// Has no connection used any more that was opened before now.
    pub(super) fn end_connections(&self) {
        *self.closed.renewed() = Some(Instant::now());
    }

    /// Notes that what is at the path now was opened.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        let (file, log) = (identity(&self.path).ok(), state.log.and_then(|_| identity(&self.log).ok()));
        // A new file may well have got the number of the old one.
        let generation = state.generation + u64::from(state.replaced);
        *state = State { file, log, checked: Instant::now(), moved: false, replaced: false, generation };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closed {
    fn renewed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection of this age is of use to somebody; if not, it is closed.
    pub(super) fn is_good(&self, connection: &SqliteConnection, age: Duration) -> bool {
        // One of a file that is no longer there.
        if self.renewed().is_some_and(|renewed| age > renewed.elapsed()) {
            return false;
        }
        // One that is left in a transaction: `Store::write` says when that is.
        let is_left = connection.is_in_transaction();
        self.one.fetch_or(is_left, Ordering::Relaxed);
        !is_left
    }
}

/// SQLite follows links before it names the log.
fn log_of(path: &Path) -> PathBuf {
    let mut log = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).into_os_string();
    log.push("-wal");
    log.into()
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Where a file that is open cannot be deleted, it is enough that it is there.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|_| (0, 0))
}
