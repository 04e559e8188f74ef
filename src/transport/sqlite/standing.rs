//! Whether the file that is open is still the one at its path: one that was deleted or replaced goes on taking what is
//! written, and nobody finds it there again.
//!
//! `Store::{read, write} → Standing::check (device and inode of the path) → Moved → Store::reopen`

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how long a look is as good as another, before something that looks again when it is done.
const FRESH: Duration = Duration::from_millis(10);

/// What tells a file from another one of its name: device and inode, where there are such.
type Identity = (u64, u64);

/// The path does not lead to what is open any more.
#[derive(Debug)]
pub(super) struct Moved;

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "its file was deleted, moved or replaced, and what was in it is there no more: it is opened anew; leave the \
             files of a database alone while it is in use",
        )
    }
}

impl std::error::Error for Moved {}

impl From<Moved> for sqlx::Error {
    fn from(moved: Moved) -> Self {
        Self::Configuration(Box::new(moved))
    }
}

/// Whether this error says that the file has moved.
pub(super) fn is_moved(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Configuration(error) if error.is::<Moved>())
}

/// What is open.
#[derive(Debug)]
pub(super) struct Standing {
    path: PathBuf,
    /// The write-ahead log beside the file that the path leads to.
    log: PathBuf,
    state: Mutex<State>,
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
    /// Notes what is open at this path. It has to be open, so that there is a log.
    pub(super) fn new(path: PathBuf, watch_log: bool) -> Self {
        let log = log_of(&path);
        let state = State {
            file: identity(&path).ok(),
            log: if watch_log { identity(&log).ok() } else { None },
            checked: Instant::now(),
            moved: false,
            replaced: false,
            generation: 0,
        };
        Self { path, log, state: Mutex::new(state) }
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
        if state.moved { Err(Moved) } else { Ok(()) }
    }

    /// The same, unless somebody has looked a moment ago.
    pub(super) fn check_now_and_then(&self) -> Result<(), Moved> {
        if !self.has_moved() && self.state().checked.elapsed() < FRESH { Ok(()) } else { self.check() }
    }

    /// Looks at the log no more: it goes with the last connection, and one was closed.
    pub(super) fn forget_log(&self) {
        self.state().log = None;
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
