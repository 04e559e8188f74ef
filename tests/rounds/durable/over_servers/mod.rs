//! Durable rounds over SQLite and PostgreSQL, by what users hold: two processes, servers that are killed, processes that are.
//!
//! `Site (a database in files) → two: two handles, away: a server, killed: children, due: deadlines,
//! summoned: children that ask`

/// Two handles, as two processes have them.
mod two;
/// A server that is killed and started again.
mod away;
/// Deadlines, of which one of two processes dies.
mod due;
/// Processes that are killed at every step.
mod killed;
/// One that is killed while it asks a party.
mod summoned;
/// A database that refuses some.
mod refused;

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Sqlite, SqliteDatabase};
use convoke::{Durable, DurableBuilder, EmitterHandle, RoundId};
use sqlx::AssertSqlSafe;

use crate::transports::outbox::Base;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

const BOARD: [&str; 3] = ["legal", "finance", "chair"];

/// What is not to end while a test runs.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A database that another process can open, and that can be asked.
trait Site: Base {
    fn place(&self) -> String;

    async fn open(place: &str) -> Self::Database;

    async fn sql(&self, sql: &str);

    /// Notes what a consumer has heard, in a table of the application that `prepare` has made.
    async fn note(db: &Self::Database, round: i64, outcome: &str) -> Result<(), sqlx::Error>;

    async fn prepare(&self) {
        self.sql("CREATE TABLE heard (round BIGINT NOT NULL, outcome TEXT NOT NULL)").await;
    }

    /// What was noted.
    async fn noted(&self) -> Vec<(i64, String)>;
}

macro_rules! site {
    ($base:ty, $database:ty, |$this:ident| $place:expr, |$at:ident| $open:expr) => {
        impl Site for $base {
            fn place(&self) -> String {
                let $this = self;
                $place
            }

            async fn open($at: &str) -> $database {
                $open.await.unwrap()
            }

            async fn sql(&self, sql: &str) {
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(self.db.pool()).await.unwrap();
            }

            async fn note(db: &$database, round: i64, outcome: &str) -> Result<(), sqlx::Error> {
                let insert = sqlx::query("INSERT INTO heard (round, outcome) VALUES ($1, $2)");
                insert.bind(round).bind(outcome.to_owned()).execute(db.pool()).await.map(drop)
            }

            async fn noted(&self) -> Vec<(i64, String)> {
                sqlx::query_as("SELECT round, outcome FROM heard").fetch_all(self.db.pool()).await.unwrap()
            }
        }
    };
}

site!(File, SqliteDatabase, |this| this.folder.file("shop.db").display().to_string(), |at| Sqlite::open(at));
site!(Database, PostgresDatabase, |this| this.url.clone(), |at| Postgres::connect(at));

/// A broker of whom all three owe a signal in this time.
fn approvals<B: Site>(db: &B::Database, time: Duration) -> DurableBuilder<String, B::Database> {
    Broker::new(time).expects(BOARD).durable(db, "approvals").poll_every(Duration::from_millis(20))
}

async fn board(approvals: &Durable<String>) -> [EmitterHandle<String>; 3] {
    let [legal, finance, chair] = BOARD.map(|name| Emitter::join(approvals, name));
    [legal.await.unwrap(), finance.await.unwrap(), chair.await.unwrap()]
}

/// What became of a round, the same for everyone.
fn told(outcome: &Outcome<String>) -> String {
    match outcome.cause() {
        None => format!("resolved {:?}", outcome.payloads()),
        Some(cause) => format!("cancelled {cause} {:?}", outcome.payloads()),
    }
}

fn number(round: RoundId) -> i64 {
    i64::try_from(round.get()).unwrap()
}

/// A test over each database.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[actix_rt::test]
            async fn over_sqlite() {
                super::$name::<$crate::transports::outbox::sqlite::File>().await;
            }

            #[actix_rt::test]
            async fn over_postgres() {
                super::$name::<$crate::transports::outbox::postgres::Database>().await;
            }
        })*
    };
}
use over_both;
