//! How a statement gets to the server: on a connection of the pool, within a deadline, and again where the server asks for
//! that.
//!
//! `in_time(deadline, work) → acquire → work → { done | again | closed }`

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Transaction};
use tokio::time::{Instant, sleep, timeout_at};

use super::database::PostgresDatabase;
use super::fault::{describe, is_away, is_broken, is_worth_another, late, only_reads};
use crate::transport::{BoxFuture, TransportError};

/// How often a statement is sent that the server has undone for somebody else's sake.
const TRIES: u32 = 5;
/// The longest wait before the first of these; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(5);
/// How often it is said at most that somebody leaves transactions open.
const TOLD: Duration = Duration::from_secs(60);
/// How long it waits, more or less, before it looks again whether the server is there.
const AWAY: Duration = Duration::from_millis(100);

/// What failed on a connection.
#[derive(Debug)]
pub(crate) struct Failed {
    error: sqlx::Error,
    /// Whether nothing of it is in the database, also if nobody knows how the connection has ended.
    is_undone: bool,
    is_not_alone: bool,
}

impl Failed {
    /// In a transaction whose commit was not sent.
    pub(crate) fn undone(error: sqlx::Error) -> Self {
        Self { error, is_undone: true, is_not_alone: false }
    }

    /// On a connection that was not [`ALONE`]: nothing was done, and nobody is to get it any more.
    fn not_alone() -> Self {
        Self { is_not_alone: true, ..Self::undone(sqlx::Error::WorkerCrashed) }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self { error, is_undone: false, is_not_alone: false }
    }
}

impl PostgresDatabase {
    /// Has something done on a connection. It may be done again, if the server has undone it: it begins its own
    /// transaction, if it needs one, and ends it.
    ///
    /// # Errors
    ///
    /// `Unreachable` after the deadline. The connection is closed then, so that the server ends what is under way.
    pub(crate) async fn in_time<T>(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        mut work: impl for<'c> FnMut(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Failed>> + Send,
    ) -> Result<T, TransportError> {
        self.lent(at, deadline, true, |connection, _| work(connection)).await
    }

    /// The same of what is one message, which is a transaction by itself: it ends by itself, too, if whoever waits for it is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`in_time`](Self::in_time).
    pub(crate) async fn in_a_message<T>(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        mut work: impl for<'c> FnMut(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Failed>> + Send,
    ) -> Result<T, TransportError> {
        self.lent(at, deadline, false, |connection, _| work(connection)).await
    }

    /// The same of what borrows for `'a`, which is longer than a connection is lent: nothing else is said by [`Longer`].
    pub(crate) async fn in_time_with<'a, T>(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        work: impl for<'c> FnMut(&'c mut PgConnection, Longer<'c, 'a>) -> BoxFuture<'c, Result<T, Failed>> + Send,
    ) -> Result<T, TransportError> {
        self.lent(at, deadline, true, work).await
    }

    /// `begins` says that it may begin a transaction: its connection is closed if it is dropped before it is ready.
    async fn lent<'a, T>(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        begins: bool,
        mut work: impl for<'c> FnMut(&'c mut PgConnection, Longer<'c, 'a>) -> BoxFuture<'c, Result<T, Failed>> + Send,
    ) -> Result<T, TransportError> {
        let end = Instant::now() + deadline;
        let mut tries = 0;
        loop {
            let Ok(acquired) = timeout_at(end, self.pool().acquire()).await else { return Err(late(at, deadline)) };
            let connection = match acquired {
                Ok(connection) => connection,
                // Nothing was sent: a server that is started again is waited for.
                Err(error) if is_away(&error) && Instant::now() < end => {
                    sleep(AWAY.mul_f64(0.5 + fastrand::f64())).await;
                    continue;
                }
                Err(error) => return Err(describe(at, &error)),
            };
            tries += 1;
            let mut lent = Lent { connection: Some(connection), closes: begins };
            let Some(connection) = lent.connection.as_deref_mut() else { continue };
            let worked = timeout_at(end, work(connection, [])).await;
            let Some(connection) = lent.connection.take() else { continue };
            let Failed { error, is_undone, is_not_alone } = match worked {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(failed)) => failed,
                Err(_) => {
                    // Nobody else may get it: an answer is still under way.
                    drop(connection.detach());
                    return Err(late(at, deadline));
                }
            };
            if is_not_alone {
                self.warn_of_open_transactions(at);
            }
            let broken = is_broken(&error);
            if broken {
                drop(connection.detach());
            }
            // Others of the pool may lead to the server that was the primary before. One that only reads does so however long one waits.
            let again = is_worth_another(&error) && tries < TRIES
                || broken && is_undone && (tries < TRIES || !only_reads(&error));
            if !again || Instant::now() >= end {
                return Err(describe(at, &error));
            }
            let longest = PAUSE.saturating_mul(1 << tries.min(TRIES));
            sleep(longest.mul_f64(fastrand::f64())).await;
        }
    }

    /// Sends one statement whose values stand in it, which may only be numbers and names of ours.
    ///
    /// # Errors
    ///
    /// Those of [`in_time`](Self::in_time).
    pub(crate) async fn rows(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        sql: &str,
    ) -> Result<Vec<PgRow>, TransportError> {
        self.rows_of(at, deadline, sql, 0).await
    }

    /// The same of statements that return so many rows at least, unless they are not [`ALONE`]: then nothing was done, and they are
    /// sent on another connection.
    ///
    /// # Errors
    ///
    /// Those of [`in_time`](Self::in_time).
    pub(crate) async fn rows_of(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        sql: &str,
        least: usize,
    ) -> Result<Vec<PgRow>, TransportError> {
        self.in_a_message(at, deadline, |connection| {
            // One message, which is a transaction: our functions look again, and must see what was committed meanwhile.
            let query = sqlx::raw_sql(AssertSqlSafe(format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {sql}")));
            Box::pin(async move {
                let rows = query.fetch_all(connection).await?;
                if rows.len() < least {
                    return Err(Failed::not_alone());
                }
                Ok(rows)
            })
        })
        .await
    }

    /// Says in the log that a connection was not [`ALONE`], at most once a minute: nothing of ours is lost by that, and what others write
    /// on it is.
    pub(super) fn warn_of_open_transactions(&self, at: &Arc<str>) {
        let mut last = self.last_told();
        if last.is_none_or(|last| last.elapsed() >= TOLD) {
            *last = Some(Instant::now());
            log::warn!(
                target: "convoke::sql",
                "{at}: the pool has given a connection on which a transaction of somebody is open, as a `pool.begin()` that is dropped \
                 half way leaves it: it is closed, but what was written on it before is not committed; begin by `begin` of the \
                 database, which is finished whoever gives up, or spawn your own"
            );
        }
    }
}

/// A connection that is closed if whoever has it is dropped: its transaction may have begun just now, and the client does not know
/// that before the answer is there. It would take what others write for a part of it.
struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    closes: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.as_mut().filter(|_| self.closes) {
            connection.close_on_drop();
        }
    }
}

/// Holds for a statement whose message is a transaction by itself. On a connection that was given back with a transaction open, as the
/// client does if its `begin` was dropped half way, what is written would never be committed.
pub(crate) const ALONE: &str = "now() = statement_timestamp()";

/// Begins a transaction, and goes on with that if whoever waits for it is dropped: the client takes a transaction for begun once the
/// answer is there, and would give back a connection on which what others write is never committed.
///
/// # Errors
///
/// Those of the client.
pub(crate) async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// That `'a` is longer than `'c`.
pub(crate) type Longer<'c, 'a> = [&'c &'a (); 0];

/// How a transaction of ours begins, whatever the default of the server or of the user is.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A text as a literal of SQL, however the server reads backslashes.
pub(crate) fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Numbers as the text of an array.
pub(crate) fn array<T: Display>(numbers: impl Iterator<Item = T>) -> String {
    let mut text = String::from("{");
    for (place, number) in numbers.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text += &number.to_string();
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn nothing_in_a_text_ends_the_literal() {
        assert_eq!(quoted("orders"), "E'orders'");
        assert_eq!(quoted("a'b\\c\\'"), r"E'a''b\\c\\'''");
    }
}
