//! How a queue in a PostgreSQL is described before it is opened.
//!
//! `Postgres::queue("orders").at(url) | db.queue("orders") → PostgresBuilder → await → Postgres`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use super::postgres::Postgres;
use super::queue::{Core, Queue};
use super::subscriber::create_group;
use crate::sql::postgres::{Own, PostgresDatabase, PostgresDatabaseBuilder, quoted};
use crate::transport::{BoxFuture, ErrorKind, TransportError, check_name, check_name_if_any};

/// Whose value names the server, if nothing else does, and what is taken without it.
const VARIABLE: &str = "DATABASE_URL";
const URL: &str = "postgres://localhost";
const LEASE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(10);
const PUBLISH_DEADLINE: Duration = Duration::from_secs(30);
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
const POLL: Duration = Duration::from_millis(200);
const WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(20);
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// PostgreSQL takes no value beyond 1 GB, and what is read travels as text, which is twice as long.
const MOST_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Waits beyond this are waits for ever: a century.
pub(super) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where the database is.
#[derive(Clone)]
enum Place {
    OfEnvironment,
    New(PostgresDatabaseBuilder),
    There(PostgresDatabase),
}

/// Describes a [`Postgres`] queue before it is opened. Created by [`Postgres::queue`] and [`PostgresDatabase::queue`].
/// When you await the builder, it connects, if it has to, and creates the group.
#[derive(Clone)]
#[must_use = "it is opened when it is awaited"]
pub struct PostgresBuilder {
    queue: String,
    group: String,
    dead: Option<String>,
    place: Place,
    create: bool,
    lease: Duration,
    deadline: Option<Duration>,
    poll: Duration,
    wait: Duration,
    deduplicate: Option<Duration>,
    max_bytes: usize,
}

impl PostgresBuilder {
    pub(super) fn new(queue: String) -> Self {
        Self {
            queue,
            group: String::new(),
            dead: None,
            place: Place::OfEnvironment,
            create: false,
            lease: LEASE,
            deadline: None,
            poll: POLL,
            wait: WAIT,
            deduplicate: None,
            max_bytes: MAX_BYTES,
        }
    }

    /// Sets the URL of the database, as in `postgres://user:password@host:5432/shop`. The default is the environment
    /// variable `DATABASE_URL`, or else `postgres://localhost`. `?sslmode=verify-full` has the certificate of the
    /// server checked. Each queue that is opened so has a pool of its own: for several, connect the database once.
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.place = Place::New(PostgresDatabaseBuilder::connect(url.into()));
        self
    }

    /// Uses a pool of the application. It should have at least three connections: one of them listens.
    pub fn pool(mut self, pool: &PgPool) -> Self {
        self.place = Place::New(PostgresDatabaseBuilder::over(pool));
        self
    }

    /// Uses a database that is connected, as [`PostgresDatabase::queue`] does.
    pub fn on(mut self, database: &PostgresDatabase) -> Self {
        self.place = Place::There(database.clone());
        self
    }

    /// Makes the tables when the queue is opened, if they are not there, as [`PostgresDatabase::migrate`] does.
    pub fn create_if_missing(mut self) -> Self {
        self.create = true;
        self
    }

    /// Sets the group of subscribers that this handle belongs to. The subscribers of one group share its packets. Each
    /// group of a queue gets every packet that is published after the group was first opened. Packets that were
    /// published before there was any group wait for the first group. A packet is a row for each group.
    ///
    /// The default is a group without a name, which exists from when somebody first receives in it.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Sets the queue of dead letters, in the same database. The default is the name of the queue with `-dead` behind
    /// it.
    pub fn dead_letter_queue(mut self, queue: impl Into<String>) -> Self {
        self.dead = Some(queue.into());
        self
    }

    /// Sets how long a delivery is lent before it comes again. The default is 30 s, and the least is 1 ms.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(Duration::from_millis(1), FOREVER);
        self
    }

    /// Sets how long a call may take before it fails with `Unreachable`. The default is 10 s, and 30 s for a publish.
    /// The most is a day.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline.min(MAX_DEADLINE));
        self
    }

    /// Sets how often a waiting receive looks for packets, give or take a quarter. Packets of this process are seen at
    /// once, and those of others as soon as their `NOTIFY` comes. Behind a pooler in transaction mode none comes, and
    /// this is how late a packet may be. The default is 200 ms, and the least is 1 ms.
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
        self.deduplicate = Some(window.min(FOREVER));
        self
    }

    /// Sets the largest size of a packet in bytes. The default is 16 MiB, and the most is 256 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.min(MOST_MAX_BYTES);
        self
    }

    async fn open(self) -> Result<Postgres, TransportError> {
        let at: Arc<str> = match self.group.as_str() {
            "" => format!("postgres:{}", self.queue).into(),
            group => format!("postgres:{}/{group}", self.queue).into(),
        };
        let dead = self.dead.unwrap_or_else(|| format!("{}-dead", self.queue));
        check_name(&at, "a queue", &self.queue)?;
        check_name(&at, "a queue of dead letters", &dead)?;
        check_name_if_any(&at, "a group", &self.group)?;
        if dead == self.queue {
            let text = "a queue cannot be its own queue of dead letters: give that another name";
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        let new = match self.place {
            Place::There(database) => Err(database),
            Place::New(new) => Ok(new),
            Place::OfEnvironment => {
                Ok(PostgresDatabaseBuilder::connect(std::env::var(VARIABLE).unwrap_or_else(|_| URL.to_owned())))
            }
        };
        let database = match new {
            Err(there) => there,
            Ok(new) => match self.deadline {
                Some(deadline) => new.deadline(deadline).await?,
                None => new.await?,
            },
        };
        if self.create {
            database.migrate().await?;
        }
        database.check(&at).await?;
        let named = !self.group.is_empty();
        let queue = Queue::new(Core {
            at,
            database,
            queue: self.queue,
            group: self.group,
            dead,
            lease: self.lease,
            deadline: self.deadline.unwrap_or(DEADLINE),
            publish_deadline: self.deadline.unwrap_or(PUBLISH_DEADLINE),
            poll: self.poll,
            wait: self.wait,
            deduplicate: self.deduplicate,
            max_bytes: self.max_bytes,
            own: Own::default(),
        });
        if named {
            create_group(&queue).await?;
        }
        Ok(Postgres::new(queue))
    }
}

impl PostgresDatabase {
    /// Describes a queue of this name in the database. Nothing is opened before you await the builder.
    pub fn queue(&self, name: impl Into<String>) -> PostgresBuilder {
        PostgresBuilder::new(name.into()).on(self)
    }
}

/// Looks whether there is a queue of this name, and the group; neither is made.
///
/// # Errors
///
/// `Missing` if there is not; those of a database.
pub(crate) async fn look_for(
    database: &PostgresDatabase,
    name: &str,
    (queue, group): (&str, Option<&str>),
) -> Result<(), TransportError> {
    let at: Arc<str> = format!("postgres:{name}").into();
    check_name(&at, "a queue", queue)?;
    check_name_if_any(&at, "a group", group.unwrap_or_default())?;
    database.check(&at).await?;
    let (schema, queue, group) = (database.schema(), quoted(queue), quoted(group.unwrap_or_default()));
    let sql = format!("SELECT id FROM {schema}.convoke_lane WHERE queue = {queue} AND grp = {group}");
    match database.rows(&at, database.deadline(), &sql).await?.is_empty() {
        false => Ok(()),
        true => Err(TransportError::new(ErrorKind::Missing, at, NO_QUEUE)),
    }
}

const NO_QUEUE: &str = "there is no such queue or group: look at its name, and whether somebody has opened it before";

/// Opens the queue.
///
/// # Errors
///
/// - `Missing` if the tables are not there, or of an older version: [`PostgresDatabase::migrate`] makes them.
/// - `Denied` if the server refuses the user; `Refused` if a newer version of this crate has made tables that this one may not
///   use.
/// - `Unreachable` if the server does not answer, or no TLS comes about.
/// - `Unsupported` for a name or a URL that is not valid.
impl IntoFuture for PostgresBuilder {
    type Output = Result<Postgres, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// Does not show the URL, which may have a password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("queue", &self.queue)
            .field("group", &self.group)
            .field("dead_letter_queue", &self.dead)
            .field("lease", &self.lease)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
