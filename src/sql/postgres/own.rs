//! A connection that one part of ours has for itself while it has much to say, so that what it says again and again is a statement with
//! a name: the server need not read and plan it anew.
//!
//! `asked soon after another → Own: look whether it is ALONE → a statement by its name, a transaction by itself → a rest → the pool`
//!
//! Nobody else gets it meanwhile, so nobody else can have begun a transaction on it: it is enough to look once.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres};
use tokio::time::{Instant, sleep, timeout};

use super::database::PostgresDatabase;
use super::fault::{describe, is_broken, is_worth_another, late};
use super::session::ALONE;
use crate::transport::{BoxFuture, TransportError};

/// Whoever asks again within this time may have one, and whoever does not gives it back.
const REST: Duration = Duration::from_millis(50);

/// Holds where the isolation is the one that our functions need, which a message of its own cannot set.
pub(crate) const COMMITTED: &str = "current_setting('transaction_isolation') = 'read committed'";

/// The connection of one part.
#[derive(Clone, Default)]
pub(crate) struct Own(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Only while somebody looks whether it rests.
    held: Option<PoolConnection<Postgres>>,
    is_watched: bool,
    last: Option<Instant>,
    /// That it does not work here was seen.
    is_off: bool,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").field("held", &self.state().held.is_some()).finish_non_exhaustive()
    }
}

impl Own {
    /// The one that is held; or another one, if the pool has one to spare and this is not the first time for long. Without one it is
    /// to be said otherwise.
    pub(crate) async fn take(&self, database: &PostgresDatabase, at: &Arc<str>) -> Option<Lease> {
        let pool = database.pool();
        let lease = |connection| Lease { own: self.clone(), pool: pool.clone(), connection };
        {
            let mut state = self.state();
            let soon = state.last.replace(Instant::now()).is_some_and(|last| last.elapsed() < REST);
            if let Some(held) = state.held.take() {
                return Some(lease(held));
            }
            if state.is_off || !soon || state.is_watched || has_none_to_spare(pool) {
                return None;
            }
        }
        let mut connection = pool.try_acquire()?;
        if connection.cached_statements_size() == 0 {
            return None;
        }
        let look = AssertSqlSafe(format!("SELECT true WHERE {ALONE}"));
        match timeout(REST, sqlx::raw_sql(look).fetch_optional(&mut *connection)).await {
            Ok(Ok(Some(_))) => Some(lease(connection)),
            looked => {
                if let Ok(Ok(None)) = looked {
                    database.warn_of_open_transactions(at);
                }
                drop(connection.detach());
                None
            }
        }
    }

    /// Keeps it for the next time, if that is soon.
    fn put(&self, connection: PoolConnection<Postgres>, pool: &PgPool) {
        let mut state = self.state();
        state.last = Some(Instant::now());
        if state.held.is_some() {
            return;
        }
        if !state.is_watched {
            state.is_watched = true;
            tokio::spawn(watch(Watching(self.clone()), pool.clone()));
        }
        state.held = Some(connection);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that nobody else has.
pub(crate) struct Lease {
    own: Own,
    pool: PgPool,
    connection: PoolConnection<Postgres>,
}

impl Lease {
    /// Sends a statement with a name, as a message and a transaction by itself, which returns rows unless the isolation is not
    /// [`COMMITTED`]. `None` if it is not, or the server has undone it: nothing of it is there, and it is to be said otherwise.
    ///
    /// # Errors
    ///
    /// Those of [`PostgresDatabase::in_a_message`].
    pub(crate) async fn say(
        self,
        at: &Arc<str>,
        deadline: Duration,
        statement: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<Vec<PgRow>, sqlx::Error>>,
    ) -> Option<Result<Vec<PgRow>, TransportError>> {
        let Self { own, pool, mut connection } = self;
        match timeout(deadline, statement(&mut connection)).await {
            Ok(Ok(rows)) if rows.is_empty() => {
                own.state().is_off = true;
                None
            }
            Ok(Ok(rows)) => {
                own.put(connection, &pool);
                Some(Ok(rows))
            }
            Ok(Err(error)) => {
                if is_broken(&error) {
                    drop(connection.detach());
                } else {
                    own.put(connection, &pool);
                }
                if is_worth_another(&error) { None } else { Some(Err(describe(at, &error))) }
            }
            Err(_) => {
                // Nobody else may get it: an answer is still under way.
                drop(connection.detach());
                Some(Err(late(at, deadline)))
            }
        }
    }
}

/// Takes what is held away when nobody looks any more, as when the runtime ends: outside of one it cannot be given back.
struct Watching(Own);

impl Drop for Watching {
    fn drop(&mut self) {
        let held = {
            let mut state = self.0.state();
            state.is_watched = false;
            state.held.take()
        };
        drop(held);
    }
}

/// Gives it back to the pool once it rests, or the pool has no other.
async fn watch(watching: Watching, pool: PgPool) {
    loop {
        sleep(REST / 2).await;
        let state = watching.0.state();
        let rests = state.last.is_none_or(|last| last.elapsed() >= REST);
        if rests || pool.is_closed() || has_none_to_spare(&pool) {
            return;
        }
    }
}

/// Whether somebody else who needs a connection might have to wait for this one.
fn has_none_to_spare(pool: &PgPool) -> bool {
    pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections()
}
