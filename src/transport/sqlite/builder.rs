//! How a queue in a file is described before it is opened.
//!
//! `Sqlite::queue("orders").at("orders.db").await → Store::open → Sqlite`

use std::fmt;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;

use super::queue::{Core, Queue};
use super::sqlite::Sqlite;
use super::store::{FOREVER, Place, Store};
use super::subscriber::create_group;
use crate::transport::{BoxFuture, ErrorKind, TransportError};

const FILE: &str = "convoke.db";
const LEASE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(10);
const PUBLISH_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
const WAIT: Duration = Duration::from_secs(1);
/// SQLite counts its busy timeout in milliseconds, in 32 bits.
pub(super) const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_WAIT: Duration = Duration::from_secs(20);
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// SQLite takes no row beyond a billion bytes; far below that a reference is better.
const MOST_MAX_BYTES: usize = 256 * 1024 * 1024;

const MAX_NAME: usize = 80;

/// A queue in a file, as [`Sqlite::queue`] begins it. Awaited, it is opened; what is missing is made: the file, the tables,
/// the group.
#[derive(Clone)]
#[must_use = "it is opened when it is awaited"]
pub struct SqliteBuilder {
    queue: String,
    group: String,
    dead: Option<String>,
    place: Place,
    synchronous: SqliteSynchronous,
    lease: Duration,
    deadline: Option<Duration>,
    poll: Duration,
    wait: Duration,
    deduplicate: Option<Duration>,
    max_bytes: usize,
}

impl SqliteBuilder {
    pub(super) fn new(queue: String) -> Self {
        Self {
            queue,
            group: String::new(),
            dead: None,
            place: Place::File(FILE.into()),
            synchronous: SqliteSynchronous::Normal,
            lease: LEASE,
            deadline: None,
            poll: POLL,
            wait: WAIT,
            deduplicate: None,
            max_bytes: MAX_BYTES,
        }
    }

    /// Sets the file. It may hold several queues, and tables of the application. The default is `convoke.db` in the
    /// current directory. `sqlite:` and `sqlite://` before the path are left out.
    pub fn at(mut self, file: impl AsRef<Path>) -> Self {
        self.place = Place::File(without_scheme(file.as_ref()));
        self
    }

    /// Takes a pool of the application instead of a file, so that both write by the same connections. Its settings hold:
    /// it should have the write-ahead log on, a busy timeout below the [deadline](Self::deadline), and two connections or
    /// more.
    pub fn pool(mut self, pool: &SqlitePool) -> Self {
        self.place = Place::Pool(pool.clone());
        self
    }

    /// Names the group of subscribers that this belongs to. Each group of a queue gets everything that is published after
    /// the group was first opened here; those of one group share it. What was published before there was any group waits
    /// for the first that comes.
    ///
    /// The default is a group without a name, which is there from when somebody first receives in it.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Names the queue of dead letters, in the same file. The default is the name of the queue with `-dead` behind it.
    pub fn dead_letter_queue(mut self, queue: impl Into<String>) -> Self {
        self.dead = Some(queue.into());
        self
    }

    /// Sets for how long a delivery is lent before it comes again. The default is 30 s; it is at least 1 ms.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(Duration::from_millis(1), FOREVER);
        self
    }

    /// Sets how long anything may take before it fails as `Unreachable`, because somebody else keeps the file locked. The
    /// default is 10 s, and 30 s for a publish; it is at most a day.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline.min(MAX_DEADLINE));
        self
    }

    /// Sets how often who waits looks for what other processes have published. What this process publishes is seen at
    /// once. The default is 100 ms; it is at least 1 ms.
    pub fn poll_every(mut self, poll: Duration) -> Self {
        self.poll = poll.clamp(Duration::from_millis(1), FOREVER);
        self
    }

    /// Sets how long a receive waits before it returns with nothing. The default is 1 s; it is at most 20 s.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(MAX_WAIT);
        self
    }

    /// Takes a packet whose id was published within this time, and does not deliver it again. By default each is
    /// delivered. A letter that died may be published again at once; one without an id is never left out.
    pub fn deduplicate(mut self, window: Duration) -> Self {
        self.deduplicate = Some(window);
        self
    }

    /// Sets how many bytes a packet may have. The default is 16 MiB; it is at most 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.min(MOST_MAX_BYTES);
        self
    }

    /// Waits with each confirmation until the disk has it, so that it survives a power cut too; a publish takes as long
    /// as the disk. By default it survives the death of every process, and a power cut may take what came last. The
    /// settings of a [pool](Self::pool) are its own.
    pub fn survive_power_cut(mut self) -> Self {
        self.synchronous = SqliteSynchronous::Full;
        self
    }

    async fn open(self) -> Result<Sqlite, TransportError> {
        let at: Arc<str> = match self.group.as_str() {
            "" => format!("sqlite:{}", self.queue).into(),
            group => format!("sqlite:{}/{group}", self.queue).into(),
        };
        let dead = self.dead.unwrap_or_else(|| format!("{}-dead", self.queue));
        check_name(&at, "a queue", &self.queue)?;
        check_name(&at, "a queue of dead letters", &dead)?;
        if !self.group.is_empty() {
            check_name(&at, "a group", &self.group)?;
        }
        if dead == self.queue {
            let text = "a queue cannot be its own queue of dead letters: give that another name";
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        if let Place::File(file) = &self.place {
            check_file(&at, file)?;
        }
        let (deadline, publish_deadline) =
            (self.deadline.unwrap_or(DEADLINE), self.deadline.unwrap_or(PUBLISH_DEADLINE));
        let store = Store::open(self.place, deadline, publish_deadline, self.synchronous, &at).await?;
        let named = !self.group.is_empty();
        let queue = Queue::new(Core {
            at,
            store,
            queue: self.queue,
            group: self.group,
            dead,
            lease: self.lease,
            publish_deadline,
            poll: self.poll,
            wait: self.wait,
            deduplicate: self.deduplicate,
            max_bytes: self.max_bytes,
        });
        if named {
            create_group(&queue).await?;
        }
        Ok(Sqlite::new(queue))
    }
}

/// Opens it.
///
/// # Errors
///
/// `Refused` for a file that cannot be opened or written to, is damaged, no database of SQLite, or of a newer version of
/// this crate; `Unreachable` if it stays locked; `Unsupported` for a name that cannot be one, or a database in memory.
impl IntoFuture for SqliteBuilder {
    type Output = Result<Sqlite, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// The pool's own `Debug` would show the file's options at length.
impl fmt::Debug for SqliteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBuilder")
            .field("queue", &self.queue)
            .field("group", &self.group)
            .field("dead_letter_queue", &self.dead)
            .field("lease", &self.lease)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

pub(super) fn without_scheme(file: &Path) -> PathBuf {
    let path = file.to_str().and_then(|text| text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")));
    path.map_or_else(|| file.to_owned(), PathBuf::from)
}

/// A path that would be read as something else.
fn check_file(at: &Arc<str>, file: &Path) -> Result<(), TransportError> {
    let text = match file.to_str() {
        Some("") => "it names no file: write `sqlite:orders.db`",
        Some(":memory:") => "a database in memory is lost with its connection: give it a file, or take `Memory`",
        Some(path) if path.contains('?') => "a path has no options: leave out the `?` and what is behind it",
        _ => return Ok(()),
    };
    Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text))
}

/// A name stands in errors, logs and metrics, so it is plain.
fn check_name(at: &Arc<str>, what: &str, name: &str) -> Result<(), TransportError> {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
    if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain) {
        return Ok(());
    }
    let text = format!("{what} is named by 1 to {MAX_NAME} bytes of letters, digits, `-`, `_`, `.` and `:`");
    Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text))
}
