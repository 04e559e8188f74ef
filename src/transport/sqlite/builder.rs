//! How a queue in a file is described before it is opened.
//!
//! `Sqlite::queue("orders").at("orders.db").await → Store::open → Sqlite`

use std::fmt;
use std::future::IntoFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;
use tokio::time::timeout;

use super::insert::lane_of;
use super::queue::{Core, Queue};
use super::sqlite::Sqlite;
use super::subscriber::create_group;
use crate::sql::sqlite::{FOREVER, Place, SqliteDatabase, Store, describe, late};
use crate::transport::{BoxFuture, ErrorKind, TransportError, check_name, check_name_if_any};

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

/// Where the tables are.
#[derive(Clone)]
enum At {
    Place(Place),
    Database(SqliteDatabase),
}

/// Describes a [`Sqlite`] queue before it is opened. Created by [`Sqlite::queue`]. When you await the builder, it opens
/// the queue and creates what is missing: the file, the tables and the group.
#[derive(Clone)]
#[must_use = "it is opened when it is awaited"]
pub struct SqliteBuilder {
    queue: String,
    group: String,
    dead: Option<String>,
    place: At,
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
            place: At::Place(Place::File(FILE.into())),
            synchronous: SqliteSynchronous::Normal,
            lease: LEASE,
            deadline: None,
            poll: POLL,
            wait: WAIT,
            deduplicate: None,
            max_bytes: MAX_BYTES,
        }
    }

    /// Sets the file. One file may hold several queues, and tables of the application. The default is `convoke.db` in
    /// the current directory. A prefix `sqlite:` or `sqlite://` of the path is ignored.
    pub fn at(mut self, file: impl AsRef<Path>) -> Self {
        self.place = At::Place(Place::file(file.as_ref()));
        self
    }

    /// Uses a pool of the application instead of a file, so that both write over the same connections. The settings of
    /// the pool apply. It should have the write-ahead log on, a busy timeout below the [deadline](Self::deadline), and
    /// at least two connections.
    pub fn pool(mut self, pool: &SqlitePool) -> Self {
        self.place = At::Place(Place::Pool(pool.clone()));
        self
    }

    /// Uses a database that is open, as [`SqliteDatabase::queue`] does.
    pub fn on(mut self, database: &SqliteDatabase) -> Self {
        self.place = At::Database(database.clone());
        self
    }

    /// Sets the group of subscribers that this handle belongs to. The subscribers of one group share its packets. Each
    /// group of a queue gets every packet that is published after the group was first opened in this file. Packets that
    /// were published before there was any group wait for the first group.
    ///
    /// The default is a group without a name, which exists from when somebody first receives in it.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Sets the queue of dead letters, in the same file. The default is the name of the queue with `-dead` behind it.
    pub fn dead_letter_queue(mut self, queue: impl Into<String>) -> Self {
        self.dead = Some(queue.into());
        self
    }

    /// Sets how long a delivery is lent before it comes again. The default is 30 s, and the least is 1 ms.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(Duration::from_millis(1), FOREVER);
        self
    }

    /// Sets how long a call may take while another connection keeps the file locked, before it fails with
    /// `Unreachable`. The default is 10 s, and 30 s for a publish. The most is a day.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline.min(MAX_DEADLINE));
        self
    }

    /// Sets how often a waiting receive looks for packets of other processes. It sees packets of this process at once.
    /// The default is 100 ms, and the least is 1 ms.
    pub fn poll_every(mut self, poll: Duration) -> Self {
        self.poll = poll.clamp(Duration::from_millis(1), FOREVER);
        self
    }

    /// Sets how long a receive waits before it returns nothing. The default is 1 s, and the most is 20 s.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(MAX_WAIT);
        self
    }

    /// Accepts a packet whose id was published within this time, but does not deliver it again. By default every packet
    /// is delivered. A dead letter may be published again at once, and a packet without an id is always delivered.
    pub fn deduplicate(mut self, window: Duration) -> Self {
        self.deduplicate = Some(window);
        self
    }

    /// Sets the largest size of a packet in bytes. The default is 16 MiB, and the most is 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.min(MOST_MAX_BYTES);
        self
    }

    /// Confirms a packet only when the disk has it, so that it survives a power cut too. A publish then takes as long
    /// as the disk.
    ///
    /// By default, a confirmed packet survives the death of every process, but a power cut may lose the latest ones.
    /// This setting has no effect on a [pool](Self::pool), which has its own.
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
        check_name_if_any(&at, "a group", &self.group)?;
        if dead == self.queue {
            let text = "a queue cannot be its own queue of dead letters: give that another name";
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        let (deadline, publish_deadline) =
            (self.deadline.unwrap_or(DEADLINE), self.deadline.unwrap_or(PUBLISH_DEADLINE));
        let store = match self.place {
            At::Database(database) => database.checked(&at).await?.within(deadline),
            At::Place(place) => {
                place.check(&at)?;
                Store::open(place, deadline, publish_deadline, self.synchronous, true, &at).await?
            }
        };
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

impl SqliteDatabase {
    /// Describes a queue of this name in the database. Nothing is opened before you await the builder. Whether it
    /// survives a power cut is said of the database.
    pub fn queue(&self, name: impl Into<String>) -> SqliteBuilder {
        SqliteBuilder::new(name.into()).on(self)
    }
}

/// Looks whether there is a queue of this name, and the group; neither is made.
///
/// # Errors
///
/// `Missing` if there is not; those of a database.
pub(crate) async fn look_for(
    database: &SqliteDatabase,
    name: &str,
    (queue, group): (&str, Option<&str>),
) -> Result<(), TransportError> {
    let at: Arc<str> = format!("sqlite:{name}").into();
    let store = database.checked(&at).await?;
    let found = async {
        let mut connection = store.read().await?;
        lane_of(&mut connection, queue, group.unwrap_or_default(), true).await
    };
    let found = timeout(store.deadline, found).await.map_err(|_| late(&at, store.deadline))?;
    match found.map_err(|error| describe(&at, &error))? {
        Some(_) => Ok(()),
        None => Err(TransportError::new(ErrorKind::Missing, at, NO_QUEUE)),
    }
}

const NO_QUEUE: &str = "there is no such queue or group: look at its name, and whether somebody has opened it before";

/// Opens the queue.
///
/// # Errors
///
/// - `Denied` if the file cannot be opened or written to.
/// - `Refused` if it is damaged, is no database of SQLite, or was written by a
///   newer version of this crate.
/// - `Unreachable` if the file stays locked.
/// - `Unsupported` for a name that is not valid, or for a database in memory.
impl IntoFuture for SqliteBuilder {
    type Output = Result<Sqlite, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// Does not show the options of the pool's file, which are long.
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
