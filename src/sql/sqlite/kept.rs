//! The connection that a handle keeps for what it writes. A pool hands out its connections in turn, so that each has forgotten
//! what it knew of the file, and asks each whether it lives when it comes back.
//!
//! `Store::{write, glance} → Kept::lend → Lent → a statement`, `Standing::close, the pool is closed → Kept::close`

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

/// How often it is asked whether it lives.
const ASK: Duration = Duration::from_secs(1);

/// Beside those of a pool, and none of its number.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Open>>);

#[derive(Debug)]
struct Open {
    connection: SqliteConnection,
    asked: Instant,
}

/// A connection, for as long as it is lent.
pub(crate) enum Lent<'a> {
    Kept(MappedMutexGuard<'a, SqliteConnection>),
    Pooled(PoolConnection<Sqlite>),
}

impl Kept {
    /// Lends it, and opens it as the pool would if it is not there. `closes` is told if one is closed before that.
    pub(super) async fn lend(&self, pool: &SqlitePool, closes: impl FnOnce()) -> Result<Lent<'_>, sqlx::Error> {
        let mut slot = self.0.lock().await;
        if pool.is_closed() {
            close(slot.take()).await;
            return Err(sqlx::Error::PoolClosed);
        }
        if !is_good(slot.as_mut()).await {
            if slot.is_some() {
                closes();
            }
            close(slot.take()).await;
            let options = pool.connect_options();
            *slot = Some(Open { connection: options.connect().await?, asked: Instant::now() });
        }
        let lent = MutexGuard::try_map(slot, |slot| slot.as_mut().map(|open| &mut open.connection));
        lent.map(Lent::Kept).map_err(|_| sqlx::Error::WorkerCrashed)
    }

    /// Closes it. What is only in the log is where the file is now when that is done.
    pub(super) async fn close(&self) {
        let Some(mut open) = self.0.lock().await.take() else { return };
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut open.connection).await {
            log::debug!(target: "convoke::transport", "what is in the log stays there: {error}");
        }
        close(Some(open)).await;
    }
}

/// Whether it may be used: it lives, and is not left in a transaction.
async fn is_good(open: Option<&mut Open>) -> bool {
    let Some(open) = open else { return false };
    if open.connection.is_in_transaction() || open.asked.elapsed() >= ASK {
        // It answers behind the rollback of what was given up. If it is in a transaction then, SQLite has rolled back by
        // itself, as it does when the disk is full, and the client does not know: it would never begin another one.
        open.asked = Instant::now();
        return open.connection.ping().await.is_ok() && !open.connection.is_in_transaction();
    }
    true
}

async fn close(open: Option<Open>) {
    if let Some(open) = open
        && let Err(error) = open.connection.close().await
    {
        log::debug!(target: "convoke::transport", "a connection did not close: {error}");
    }
}

impl Deref for Lent<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match self {
            Self::Kept(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Kept(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }
}
