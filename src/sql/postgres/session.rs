//! How a statement gets to the server: on a connection of the pool, within a deadline, and again where the server asks for
//! that.
//!
//! `in_time(deadline, work) → acquire → work → { done | again | closed }`

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::{Instant, sleep, timeout_at};

use super::database::PostgresDatabase;
use super::fault::{describe, is_away, is_broken, is_worth_another, late};
use crate::transport::{BoxFuture, TransportError};

/// How often a statement is sent that the server has undone for somebody else's sake.
const TRIES: u32 = 5;
/// The longest wait before the first of these; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(5);
/// How long it waits, more or less, before it looks again whether the server is there.
const AWAY: Duration = Duration::from_millis(100);

/// What failed on a connection.
#[derive(Debug)]
pub(crate) struct Failed {
    error: sqlx::Error,
    /// Whether nothing of it is in the database, also if nobody knows how the connection has ended.
    is_undone: bool,
}

impl Failed {
    /// In a transaction whose commit was not sent.
    pub(crate) fn undone(error: sqlx::Error) -> Self {
        Self { error, is_undone: true }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self { error, is_undone: false }
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
        self.in_time_with(at, deadline, |connection, _| work(connection)).await
    }

    /// The same of what borrows for `'a`, which is longer than a connection is lent: nothing else is said by [`Longer`].
    pub(crate) async fn in_time_with<'a, T>(
        &self,
        at: &Arc<str>,
        deadline: Duration,
        mut work: impl for<'c> FnMut(&'c mut PgConnection, Longer<'c, 'a>) -> BoxFuture<'c, Result<T, Failed>> + Send,
    ) -> Result<T, TransportError> {
        let end = Instant::now() + deadline;
        let mut tries = 0;
        loop {
            let Ok(acquired) = timeout_at(end, self.pool().acquire()).await else { return Err(late(at, deadline)) };
            let mut connection = match acquired {
                Ok(connection) => connection,
                // Nothing was sent: a server that is started again is waited for.
                Err(error) if is_away(&error) && Instant::now() < end => {
                    sleep(AWAY.mul_f64(0.5 + fastrand::f64())).await;
                    continue;
                }
                Err(error) => return Err(describe(at, &error)),
            };
            tries += 1;
            let Failed { error, is_undone } = match timeout_at(end, work(&mut connection, [])).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(failed)) => failed,
                Err(_) => {
                    // Nobody else may get it: an answer is still under way.
                    drop(connection.detach());
                    return Err(late(at, deadline));
                }
            };
            let broken = is_broken(&error);
            if broken {
                drop(connection.detach());
            }
            let again = is_worth_another(&error) && tries < TRIES || broken && is_undone;
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
        self.in_time(at, deadline, |connection| {
            // One message, which is a transaction: our functions look again, and must see what was committed meanwhile.
            let query = sqlx::raw_sql(AssertSqlSafe(format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {sql}")));
            Box::pin(async move { Ok(query.fetch_all(connection).await?) })
        })
        .await
    }
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
