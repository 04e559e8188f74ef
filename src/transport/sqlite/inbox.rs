//! Which events were done, in a table of SQLite that the handler's own transaction can write.
//!
//! `worker → seen → convoke_inbox ← mark_in ← the handler's transaction`

use std::fmt;
use std::future::IntoFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteSynchronous;
use sqlx::{SqliteConnection, SqlitePool};
use tokio::time::timeout;

use super::builder::MAX_DEADLINE;
use crate::Inbox;
use crate::sql::sqlite::{Place, SqliteDatabase, Store, after, describe, late, now};
use crate::transport::{BoxFuture, ErrorKind, TransportError, check_name_if_any, no_transaction};

const WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const DEADLINE: Duration = Duration::from_secs(10);

/// Each mark is taken over what is too old, and removes up to 8 marks of that kind.
const MARK: &str = "INSERT INTO convoke_inbox (inbox, event, until) VALUES (?1, ?2, ?3) \
    ON CONFLICT (inbox, event) DO UPDATE SET until = excluded.until WHERE until <= ?4";
const PRUNE: &str = "DELETE FROM convoke_inbox WHERE (inbox, event) IN \
    (SELECT inbox, event FROM convoke_inbox WHERE until <= ?1 ORDER BY until LIMIT 8)";

/// An inbox in a table of a SQLite file: it remembers for a [window](SqliteInboxBuilder::window) of time which events
/// were handled, by their [identities](crate::Metadata::identity).
///
/// A handler that writes to the same file can mark the event in its own transaction. Then the work and the mark are
/// both written or both not. However often the event comes, its work is in the file once:
///
/// ```no_run
/// use convoke::transport::SqliteInbox;
/// use sqlx::SqlitePool;
///
/// async fn book(pool: &SqlitePool, inbox: &SqliteInbox, id: &str) -> Result<(), Box<dyn std::error::Error>> {
///     let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
///     if inbox.mark_in(&mut transaction, id).await? {
///         sqlx::query("UPDATE stock SET left = left - 1").execute(&mut *transaction).await?;
///     } // or it was done before
///     transaction.commit().await?;
///     Ok(())
/// }
///
/// # async fn open(pool: SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = SqliteInbox::new(&pool).await?;
/// book(&pool, &inbox, "0198c1f2").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteInbox {
    store: Store,
    at: Arc<str>,
    name: Arc<str>,
    window: Duration,
}

/// Where its table is.
enum At {
    Place(Place),
    Database(SqliteDatabase),
}

impl SqliteDatabase {
    /// Describes an inbox of this name. Workers that each have to handle every event need inboxes of different names.
    pub fn inbox(&self, name: impl Into<String>) -> SqliteInboxBuilder {
        SqliteInboxBuilder::new(At::Database(self.clone())).named(name)
    }
}

impl SqliteInbox {
    /// Describes an inbox in the database of the application. Awaiting the builder opens the inbox.
    #[expect(clippy::new_ret_no_self, reason = "it is opened when it is awaited")]
    pub fn new(pool: &SqlitePool) -> SqliteInboxBuilder {
        SqliteInboxBuilder::new(At::Place(Place::Pool(pool.clone())))
    }

    /// Describes an inbox in this file. Awaiting the builder opens the inbox and creates the file if it is missing.
    pub fn at(file: impl AsRef<Path>) -> SqliteInboxBuilder {
        SqliteInboxBuilder::new(At::Place(Place::file(file.as_ref())))
    }

    /// Returns whether this event was marked within the window.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline.
    pub async fn seen(&self, id: &str) -> Result<bool, TransportError> {
        let seen = "SELECT EXISTS (SELECT 1 FROM convoke_inbox WHERE inbox = ?1 AND event = ?2 AND until > ?3)";
        let query = sqlx::query_scalar(seen).bind(self.name.to_string()).bind(id.to_owned()).bind(now());
        let seen = async {
            let mut connection = self.store.read().await?;
            query.fetch_one(&mut *connection).await
        };
        self.in_time(seen).await
    }

    /// Marks this event as handled. Returns `true` if it was not marked before.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline. The event may then be marked or not.
    pub async fn mark(&self, id: &str) -> Result<bool, TransportError> {
        let (store, at) = (&self.store, &self.at);
        let mark = async {
            let mut writer = store.write().await.map_err(|error| describe(at, &error))?;
            self.write(&mut writer.connection, id).await
        };
        timeout(store.deadline, mark).await.unwrap_or_else(|_| Err(late(at, store.deadline)))
    }

    /// Marks this event as handled within your transaction. Returns `true` if it was not marked before. If the
    /// transaction is rolled back, the event is not marked.
    ///
    /// The transaction has to be one of the same file, and should begin with `BEGIN IMMEDIATE`: a transaction that has
    /// only read before may find that it cannot write any more.
    ///
    /// # Errors
    ///
    /// - `Refused` if there is no transaction on the connection, or it has ended: the mark would be there by itself.
    /// - `Missing` if the transaction is of another file.
    /// - `Unreachable` if the file is locked for longer than the connection waits.
    pub async fn mark_in(&self, connection: &mut SqliteConnection, id: &str) -> Result<bool, TransportError> {
        let is_open = self.store.is_in_transaction(connection).await.map_err(|error| describe(&self.at, &error))?;
        if !is_open {
            return Err(no_transaction(&self.at));
        }
        let is_ours = self.store.is_behind(connection).await.map_err(|error| describe(&self.at, &error))?;
        if !is_ours {
            let text = "the transaction is of another file, in which nobody looks for the mark: begin it with `begin()` of the \
                database that the inbox is from";
            return Err(TransportError::new(ErrorKind::Missing, self.at.clone(), text));
        }
        self.write(connection, id).await
    }

    async fn write(&self, connection: &mut SqliteConnection, id: &str) -> Result<bool, TransportError> {
        let (now, sql) = (now(), |error| describe(&self.at, &error));
        let mark = sqlx::query(MARK).bind(self.name.to_string()).bind(id.to_owned());
        let mark = mark.bind(after(now, self.window)).bind(now);
        let new = self.store.verified(mark.execute(&mut *connection).await).map_err(sql)?.rows_affected() > 0;
        // A mark in a file that is no longer at its path is nowhere.
        self.store.verified(sqlx::query(PRUNE).bind(now).execute(connection).await).map_err(sql)?;
        Ok(new)
    }

    async fn in_time<T>(&self, what: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, TransportError> {
        let deadline = self.store.deadline;
        let done = timeout(deadline, what).await.map_err(|_| late(&self.at, deadline))?;
        done.map_err(|error| describe(&self.at, &error))
    }
}

impl Inbox for SqliteInbox {
    fn seen<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.seen(id))
    }

    fn mark<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.mark(id))
    }
}

impl fmt::Debug for SqliteInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteInbox").field("name", &self.name).field("window", &self.window).finish_non_exhaustive()
    }
}

/// Describes a [`SqliteInbox`] before it is opened. Created by [`SqliteInbox::new`] and [`SqliteInbox::at`]; awaiting
/// it opens the inbox.
#[must_use = "it is opened when it is awaited"]
pub struct SqliteInboxBuilder {
    place: At,
    name: String,
    window: Duration,
    deadline: Duration,
}

impl SqliteInboxBuilder {
    fn new(place: At) -> Self {
        Self { place, name: String::new(), window: WINDOW, deadline: DEADLINE }
    }

    /// Sets the name of the inbox: at most 80 bytes of letters, digits, `-`, `_`, `.` and `:`. The default is no name. Workers that each have to handle every event need inboxes of
    /// different names.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how long the inbox remembers an event. Choose more than the longest time between two deliveries of the same
    /// event. The default is 7 days.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long a call may take. The default is 10 s, and the most is a day.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(MAX_DEADLINE);
        self
    }

    async fn open(self) -> Result<SqliteInbox, TransportError> {
        let at: Arc<str> = "sqlite inbox".into();
        check_name_if_any(&at, "an inbox", &self.name)?;
        let (deadline, normal) = (self.deadline, SqliteSynchronous::Normal);
        let store = match self.place {
            At::Database(database) => database.checked(&at).await?.within(deadline),
            At::Place(place) => {
                place.check(&at)?;
                Store::open(place, deadline, deadline, normal, true, &at).await?
            }
        };
        Ok(SqliteInbox { store, at, name: self.name.into(), window: self.window })
    }
}

/// Opens the inbox.
///
/// # Errors
///
/// The same as with a [`SqliteBuilder`](super::SqliteBuilder).
impl IntoFuture for SqliteInboxBuilder {
    type Output = Result<SqliteInbox, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl fmt::Debug for SqliteInboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteInboxBuilder").field("window", &self.window).finish_non_exhaustive()
    }
}
