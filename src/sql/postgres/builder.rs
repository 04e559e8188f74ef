//! How a database is described before it is connected.
//!
//! `Postgres::connect(url) | Postgres::over(pool) → PostgresDatabaseBuilder → await → PostgresDatabase`

use std::fmt;
use std::future::IntoFuture;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool, Row as _};

use super::database::{Core, PostgresDatabase};
use super::fault::{describe, late};
use crate::transport::{BoxFuture, ErrorKind, TransportError, sockets};

/// What stands in errors of the database itself.
const AT: &str = "postgres";
const SCHEMA: &str = "public";
/// As many as PostgreSQL takes of a name, less what may stand before it in the name of a channel.
const MAX_SCHEMA: usize = 48;
const CONNECTIONS: u32 = 10;
const DEADLINE: Duration = Duration::from_secs(10);
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// A connection that has rested for longer is asked whether it is still there before it is used.
const RESTED: Duration = Duration::from_millis(100);
/// How many statements a connection keeps by name where no pooler stands between.
const STATEMENTS: usize = 100;
/// By which the process of the server is known again.
const SESSION: &str = "convoke.session";

#[derive(Clone)]
enum Place {
    Url(String),
    Pool(PgPool),
}

/// Describes a [`PostgresDatabase`] before it is connected. Created by [`Postgres::connect`](crate::transport::Postgres::connect)
/// and [`Postgres::over`](crate::transport::Postgres::over); awaiting it connects.
#[derive(Clone)]
#[must_use = "nothing is connected before it is awaited"]
pub struct PostgresDatabaseBuilder {
    place: Place,
    schema: String,
    connections: u32,
    deadline: Duration,
}

impl PostgresDatabaseBuilder {
    pub(crate) fn connect(url: String) -> Self {
        Self { place: Place::Url(url), schema: SCHEMA.into(), connections: CONNECTIONS, deadline: DEADLINE }
    }

    pub(crate) fn over(pool: &PgPool) -> Self {
        Self { place: Place::Pool(pool.clone()), ..Self::connect(String::new()) }
    }

    /// Sets the schema of PostgreSQL in which the tables stand. The default is `public`. A schema has 1 to 48
    /// characters: a lowercase letter or `_`, and then also digits.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Sets how many connections the pool may have. The default is 10, and the least is 2. This setting has no effect
    /// on a pool of the application.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(2);
        self
    }

    /// Sets how long a call may take before it fails with `Unreachable`. The default is 10 s, and the most is a day.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(MAX_DEADLINE);
        self
    }

    async fn open(self) -> Result<PostgresDatabase, TransportError> {
        let at: Arc<str> = AT.into();
        if !is_identifier(&self.schema) {
            let text = format!(
                "a schema is named by 1 to {MAX_SCHEMA} characters: a lowercase letter or `_`, and then also digits"
            );
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        sockets(AT)?;
        let deadline = self.deadline;
        let connected = tokio::time::timeout(deadline, self.pool(&at));
        let pool = connected.await.unwrap_or_else(|_| Err(late(&at, deadline)))?;
        Ok(PostgresDatabase::new(Core::new(at, pool, self.schema, deadline)))
    }

    async fn pool(&self, at: &Arc<str>) -> Result<PgPool, TransportError> {
        let url = match &self.place {
            Place::Pool(pool) => return Ok(pool.clone()),
            Place::Url(url) => url,
        };
        let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let Some(options) = is_ours.then(|| PgConnectOptions::from_str(url).ok()).flatten() else {
            let text = "the URL cannot be read: write `postgres://user:password@host:5432/database`, with what is special \
                as %40, and behind it at most `?sslmode=` and disable, allow, prefer, require, verify-ca or verify-full";
            return Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text));
        };
        // A pooler refuses a parameter that it does not know.
        let options = options.statement_cache_capacity(0).extra_float_digits(None).disable_statement_logging();
        // By itself, for a pool would try again until its deadline, and not say why.
        let is_direct = is_direct(&options).await.map_err(|error| describe(at, &error))?;
        let options = options.statement_cache_capacity(if is_direct { STATEMENTS } else { 0 });
        let deadline = self.deadline;
        let pool = PgPoolOptions::new()
            .max_connections(self.connections.max(2))
            .acquire_timeout(self.deadline)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    // Whoever is lent it sees by this that statements are kept.
                    if is_direct {
                        sqlx::query("SELECT 1").execute(connection).await?;
                    }
                    Ok(())
                })
            })
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_release(move |connection, _| {
                Box::pin(async move {
                    // A transaction that was dropped is rolled back here. The pool itself would wait for ever for a server
                    // that does not answer, and be one connection smaller until then.
                    if connection.should_flush() {
                        let rolled_back = tokio::time::timeout(deadline, connection.ping()).await;
                        rolled_back.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
                    }
                    Ok(true)
                })
            });
        Ok(pool.connect_lazy_with(options))
    }
}

/// Connects.
///
/// # Errors
///
/// - `Unreachable` if the server does not answer within the deadline, or no TLS comes about.
/// - `Denied` if it refuses the user or the password.
/// - `Missing` if there is no such database.
/// - `Unsupported` for a URL or a schema that is not valid.
impl IntoFuture for PostgresDatabaseBuilder {
    type Output = Result<PostgresDatabase, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// Connects once, and looks whether the process of the server knows what this connection has said when it began. A pooler refuses
/// to hand that on, or leaves it out, and may give each transaction another process: one that does not know a statement by its name, or
/// knows another one by it.
pub(crate) async fn is_direct(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let word = format!("{:x}", crate::__private::random());
    let mut first = match options.clone().options([(SESSION, &*word)]).connect().await {
        Ok(first) => first,
        // protocol_violation, by which poolers refuse it.
        Err(error) if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("08P01") => {
            options.connect().await?
        }
        Err(error) => return Err(error),
    };
    let heard = sqlx::raw_sql(AssertSqlSafe(format!("SELECT current_setting('{SESSION}', true)")));
    let heard: Option<String> = heard.fetch_one(&mut first).await?.try_get(0)?;
    // That it does not close well is no fault of the address.
    let _ = first.close().await;
    Ok(heard.is_some_and(|heard| heard == word))
}

/// Does not show the URL, which may have a password.
impl fmt::Debug for PostgresDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDatabaseBuilder")
            .field("schema", &self.schema)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Whether this may stand in a statement as it is: it is the one name that no value can carry.
fn is_identifier(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_')
        && name.len() <= MAX_SCHEMA
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn a_schema_is_an_identifier_that_needs_no_quotes() {
        for good in ["public", "_", "shop_2", "a".repeat(48).as_str()] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "2shop", "Shop", "shop-2", "a b", "a;--", "\"a\"", "é", "a'", "a.b", "a".repeat(49).as_str()] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
