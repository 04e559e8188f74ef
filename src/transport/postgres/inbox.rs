//! Which events were done, in a table of PostgreSQL that the handler's own transaction can write.
//!
//! `worker → seen → convoke_inbox ← mark_in ← the handler's transaction`

use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::Instant;

use super::builder::FOREVER;
use super::insert::millis;
use crate::Inbox;
use crate::sql::postgres::{BEGIN, Failed, PostgresDatabase, WITHIN, describe, is_within};
use crate::transport::{BoxFuture, TransportError, check_name_if_any, no_transaction};

const WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// For how long what was removed is taken for removed: whoever did so may have been rolled back.
const FORGET: Duration = Duration::from_secs(300);

/// An inbox in a table of a PostgreSQL: it remembers for a [window](PostgresInboxBuilder::window) of time which events
/// were handled, by their [identities](crate::Metadata::identity).
///
/// A handler that writes to the same database can mark the event in its own transaction. Then the work and the mark are
/// both written or both not. However often the event comes, its work is in the database once:
///
/// ```no_run
/// use convoke::transport::{PostgresDatabase, PostgresInbox};
///
/// async fn book(db: &PostgresDatabase, inbox: &PostgresInbox, id: &str) -> Result<(), Box<dyn std::error::Error>> {
///     let mut transaction = db.begin().await?;
///     if inbox.mark_in(&mut transaction, id).await? {
///         sqlx::query("UPDATE stock SET left_over = left_over - 1").execute(&mut *transaction).await?;
///     } // or it was done before
///     transaction.commit().await?;
///     Ok(())
/// }
///
/// # async fn open(db: PostgresDatabase) -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = db.inbox("billing").await?;
/// book(&db, &inbox, "0198c1f2").await?;
/// # Ok(())
/// # }
/// ```
///
/// Two transactions that mark the same event wait for each other: the second finds it marked, or marks it if the first
/// is rolled back.
#[derive(Clone)]
pub struct PostgresInbox {
    database: PostgresDatabase,
    at: Arc<str>,
    name: Arc<str>,
    window: Duration,
    pruned: Arc<Mutex<Pruned>>,
}

/// Up to when marks have been removed, in µs since 1970. From there on it is looked for more: what was before may still be there as
/// dead rows, which a transaction that is open keeps vacuum from.
#[derive(Debug, Default)]
struct Pruned {
    until: i64,
    /// Since when it is not looked at from the first on.
    since: Option<Instant>,
}

impl PostgresDatabase {
    /// Describes an inbox of this name: at most 80 bytes of letters, digits, `-`, `_`, `.` and `:`. Workers that each have to
    /// handle every event need inboxes of different names.
    pub fn inbox(&self, name: impl Into<String>) -> PostgresInboxBuilder {
        PostgresInboxBuilder { database: self.clone(), name: name.into(), window: WINDOW }
    }
}

impl PostgresInbox {
    /// Returns whether this event was marked within the window.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline of the database.
    pub async fn seen(&self, id: &str) -> Result<bool, TransportError> {
        let schema = self.database.schema();
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {schema}.convoke_inbox \
             WHERE inbox = $1 AND event = sha256(convert_to($2, 'UTF8')) AND until > clock_timestamp())"
        );
        let (name, id): (Arc<str>, Arc<str>) = (self.name.clone(), id.into());
        self.database
            .in_time(&self.at, self.database.deadline(), |connection| {
                let (sql, name, id) = (sql.clone(), name.to_string(), id.to_string());
                Box::pin(async move {
                    let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
                    let is_kept = transaction.cached_statements_size() > 0;
                    let query = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(is_kept).bind(name).bind(id);
                    let seen = query.fetch_one(&mut *transaction).await.map_err(Failed::undone)?;
                    transaction.commit().await.map_err(Failed::undone)?;
                    Ok(seen)
                })
            })
            .await
    }

    /// Marks this event as handled. Returns `true` if it was not marked before.
    ///
    /// # Errors
    ///
    /// `Unreachable` if there is no answer within the deadline of the database. The event may then be marked or not.
    pub async fn mark(&self, id: &str) -> Result<bool, TransportError> {
        let id: Arc<str> = id.into();
        self.database
            .in_time(&self.at, self.database.deadline(), |connection| {
                let (inbox, id) = (self.clone(), id.clone());
                Box::pin(async move {
                    let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
                    let new = inbox.write(&mut transaction, &id, "true").await.map_err(Failed::undone)?;
                    transaction.commit().await?;
                    Ok(new.unwrap_or_default())
                })
            })
            .await
    }

    /// Marks this event as handled within your transaction. Returns `true` if it was not marked before. If the
    /// transaction is rolled back, the event is not marked.
    ///
    /// # Errors
    ///
    /// - `Refused` if there is no transaction on the connection, or it has ended: the mark would be there by itself.
    /// - `Missing` if the transaction is of a database that has no such tables.
    /// - `Unreachable` if its connection has ended.
    pub async fn mark_in(&self, connection: &mut PgConnection, id: &str) -> Result<bool, TransportError> {
        if !connection.is_in_transaction() {
            return Err(no_transaction(&self.at));
        }
        let mark = async {
            let marked = self.write(connection, id, WITHIN).await?;
            if marked.is_none() && is_within(connection).await? {
                return self.write(connection, id, "true").await;
            }
            Ok(marked)
        };
        let marked = mark.await.map_err(|error| describe(&self.at, &error))?;
        marked.ok_or_else(|| no_transaction(&self.at))
    }

    /// Each mark is taken over what is too old, and removes up to 8 marks of that kind. Nothing is marked unless this holds,
    /// and then there is no answer.
    async fn write(&self, connection: &mut PgConnection, id: &str, holds: &str) -> Result<Option<bool>, sqlx::Error> {
        let (schema, pruned) = (self.database.schema(), self.pruned());
        let mark = format!(
            "WITH within AS MATERIALIZED (SELECT {holds} AS holds), old AS MATERIALIZED ( \
                 SELECT inbox, event, until FROM {schema}.convoke_inbox \
                 WHERE until >= 'epoch'::timestamptz + $4 * interval '1 us' AND until <= now() \
                     AND event <> sha256(convert_to($2, 'UTF8')) ORDER BY until LIMIT 8 FOR UPDATE SKIP LOCKED \
             ), pruned AS ( \
                 DELETE FROM {schema}.convoke_inbox AS mark USING old \
                 WHERE mark.inbox = old.inbox AND mark.event = old.event AND (SELECT holds FROM within) \
             ), marked AS ( \
                 INSERT INTO {schema}.convoke_inbox AS mark (inbox, event, until) \
                 SELECT $1, sha256(convert_to($2, 'UTF8')), clock_timestamp() + $3 * interval '1 ms' \
                 FROM within WHERE within.holds \
                 ON CONFLICT (inbox, event) DO UPDATE SET until = excluded.until WHERE mark.until <= clock_timestamp() \
                 RETURNING 1 \
             ) SELECT CASE WHEN holds THEN EXISTS (SELECT 1 FROM marked) END, (extract(epoch FROM \
                 coalesce((SELECT max(until) FROM old), now() - interval '1 min')) * 1000000)::bigint FROM within"
        );
        let is_kept = connection.cached_statements_size() > 0;
        let query = sqlx::query_as::<_, (Option<bool>, i64)>(AssertSqlSafe(mark)).persistent(is_kept);
        let query = query.bind(self.name.to_string()).bind(id.to_owned()).bind(millis(self.window)).bind(pruned);
        let (marked, pruned) = query.fetch_one(connection).await?;
        let mut known = self.known();
        known.until = known.until.max(pruned);
        Ok(marked)
    }

    /// From when on it is looked for what is too old.
    fn pruned(&self) -> i64 {
        let mut known = self.known();
        if known.since.is_none_or(|since| since.elapsed() > FORGET) {
            *known = Pruned { until: 0, since: Some(Instant::now()) };
        }
        known.until
    }

    fn known(&self) -> MutexGuard<'_, Pruned> {
        self.pruned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox for PostgresInbox {
    fn seen<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.seen(id))
    }

    fn mark<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.mark(id))
    }
}

impl fmt::Debug for PostgresInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresInbox").field("name", &self.name).field("window", &self.window).finish_non_exhaustive()
    }
}

/// Describes a [`PostgresInbox`] before it is opened. Created by [`PostgresDatabase::inbox`]; awaiting it looks whether
/// its table is there.
#[derive(Debug)]
#[must_use = "it is opened when it is awaited"]
pub struct PostgresInboxBuilder {
    database: PostgresDatabase,
    name: String,
    window: Duration,
}

impl PostgresInboxBuilder {
    /// Sets how long the inbox remembers an event. Choose more than the longest time between two deliveries of the same
    /// event. The default is 7 days.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.min(FOREVER);
        self
    }

    async fn open(self) -> Result<PostgresInbox, TransportError> {
        let at: Arc<str> = "postgres inbox".into();
        check_name_if_any(&at, "an inbox", &self.name)?;
        self.database.check(&at).await?;
        let (name, pruned) = (self.name.into(), Arc::default());
        Ok(PostgresInbox { database: self.database, at, name, window: self.window, pruned })
    }
}

/// Opens the inbox.
///
/// # Errors
///
/// The same as with a [`PostgresBuilder`](super::PostgresBuilder).
impl IntoFuture for PostgresInboxBuilder {
    type Output = Result<PostgresInbox, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
