//! What users write: how a record changes their rows.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;

use crate::Handled;
use crate::store::Recorded;

/// Folds records into rows of a database, whose transactions are of type `C`: `sqlx::SqliteConnection`, `sqlx::PgConnection` or
/// [`MemoryConnection`](crate::transport::MemoryConnection).
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # mod totals {
/// # use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// use convoke::{Edition, Project, Recorded};
/// use sqlx::SqliteConnection;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced { customer: i64, total: i64 }
/// struct Totals;
///
/// impl Project<SqliteConnection> for Totals {
///     async fn prepare(&self, tx: &mut SqliteConnection, edition: Edition) -> Handled {
///         let table = edition.table("totals"); // totals_1, and totals_2 when it is rebuilt
///         let create = format!("CREATE TABLE {table} (customer INTEGER PRIMARY KEY, total INTEGER NOT NULL)");
///         sqlx::query(sqlx::AssertSqlSafe(create)).execute(tx).await?;
///         Ok(())
///     }
///
///     async fn apply(&self, tx: &mut SqliteConnection, record: &Recorded, edition: Edition) -> Handled {
///         let OrderPlaced { customer, total } = record.event()?;
///         let table = edition.table("totals");
///         let add = format!("INSERT INTO {table} VALUES (?, ?) ON CONFLICT (customer) DO UPDATE SET total = total + excluded.total");
///         sqlx::query(sqlx::AssertSqlSafe(add)).bind(customer).bind(total).execute(tx).await?;
///         Ok(())
///     }
///
///     async fn retire(&self, tx: &mut SqliteConnection, edition: Edition) -> Handled {
///         let drop = format!("DROP TABLE IF EXISTS {}", edition.table("totals"));
///         sqlx::query(sqlx::AssertSqlSafe(drop)).execute(tx).await?;
///         Ok(())
///     }
/// }
/// # }
/// ```
///
/// All that it writes belongs into the transaction that it is given, which commits with the position. It may be called for a record
/// again, if that transaction was rolled back; so it sends no mails.
///
/// Return the error of each statement that fails: over PostgreSQL nothing of the transaction is there after it, so that an error that is
/// passed over is [one of the record](crate::ProjectionFault::Apply) all the same.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no rows over `{C}`",
    note = "write `impl Project<…>` for the connection of the database that `projection` is called of: `SqliteConnection` or `PgConnection` \
        of sqlx, or `MemoryConnection`"
)]
pub trait Project<C>: 'static {
    /// Makes the rows of a new edition, before its first record: most often its tables, without `IF NOT EXISTS`, for what is there
    /// already are other rows. The default makes nothing.
    ///
    /// # Errors
    ///
    /// Any error: then there is no such edition.
    fn prepare(&self, tx: &mut C, edition: Edition) -> impl Future<Output = Handled> {
        let _ = (tx, edition);
        async { Ok(()) }
    }

    /// Applies a record to the rows of an edition.
    ///
    /// # Errors
    ///
    /// Any error, and a panic: nothing of the transaction is there then, and the projection stays before this record.
    fn apply(&self, tx: &mut C, record: &Recorded, edition: Edition) -> impl Future<Output = Handled>;

    /// Removes the rows of an edition that another one has replaced, if they are there still. The default leaves them.
    ///
    /// # Errors
    ///
    /// Any error: then nothing is replaced.
    fn retire(&self, tx: &mut C, edition: Edition) -> impl Future<Output = Handled> {
        let _ = (tx, edition);
        async { Ok(()) }
    }
}

/// Which rows of a projection these are: 1 at first, and 2 when it was rebuilt once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edition(pub(super) i64);

thread_local! {
    /// Whether an edition was asked for its number since this was last looked at.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// What a future returns, and whether an edition was asked for its number where it ran.
pub(super) async fn noting<T>(future: impl Future<Output = T>) -> (T, bool) {
    let (mut future, mut asked) = (pin!(future), false);
    let value = poll_fn(|cx| {
        let before = ASKED.replace(false);
        let polled = future.as_mut().poll(cx);
        asked |= ASKED.replace(before);
        polled
    });
    (value.await, asked)
}

impl Edition {
    /// Returns its number, from 1.
    pub fn number(self) -> i64 {
        ASKED.set(true);
        self.0
    }

    /// Returns the name of a table of this edition: `totals_1` for `totals`.
    pub fn table(self, name: &str) -> String {
        format!("{name}_{}", self.number())
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}
