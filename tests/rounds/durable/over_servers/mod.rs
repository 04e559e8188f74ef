//! Durable rounds over SQLite, PostgreSQL and Redis, by what users hold: two processes, servers that are killed, processes that are.
//!
//! `Site (a database in files) → two: two handles, away: a server, killed: children, due: deadlines, letters: consumers,
//! summoned: children that ask, taken_over: children that hand on, crowds: many that are open`

/// Two handles, as two processes have them.
mod two;
/// A server that is killed and started again.
mod away;
/// Deadlines, of which one of two processes dies.
mod due;
/// Processes that are killed at every step.
mod killed;
/// What a consumer is to hear while nobody listens, and what it fails.
mod letters;
/// One that is killed while it asks a party.
mod summoned;
/// What a process has left that has ended, or was killed.
mod taken_over;
/// A database that refuses some.
mod refused;
/// A server with room for few locks.
mod locks;
/// What many rounds cost that are open.
mod crowds;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Redis, Sqlite, SqliteDatabase};
use convoke::{Durable, DurableBuilder, EmitterHandle, RedisRounds, RoundDatabase, RoundId};

use crate::transports::outbox::Base;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::servers::redis::{DURABLE, RedisServer};

const BOARD: [&str; 3] = ["legal", "finance", "chair"];

/// What is not to end while a test runs.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What keeps rounds, that another process can open.
trait Site: Sized + 'static {
    type Database: RoundDatabase;

    /// Makes one in which nothing is.
    async fn new() -> Self;

    fn database(&self) -> &Self::Database;

    fn place(&self) -> String;

    async fn open(place: &str) -> Self::Database;

    /// Notes what a consumer has heard, where `prepare` has made room for it.
    async fn note(db: &Self::Database, round: i64, outcome: &str) -> io::Result<()>;

    async fn prepare(&self);

    /// What was noted.
    async fn noted(&self) -> Vec<(i64, String)>;
}

macro_rules! site {
    ($base:ty, $database:ty, |$this:ident| $place:expr, |$at:ident| $open:expr) => {
        impl Site for $base {
            type Database = $database;

            async fn new() -> Self {
                <$base as Base>::new().await
            }

            fn database(&self) -> &$database {
                &self.db
            }

            fn place(&self) -> String {
                let $this = self;
                $place
            }

            async fn open($at: &str) -> $database {
                $open.await.unwrap()
            }

            async fn note(db: &$database, round: i64, outcome: &str) -> io::Result<()> {
                let insert = sqlx::query("INSERT INTO heard (round, outcome) VALUES ($1, $2)");
                let noted = insert.bind(round).bind(outcome.to_owned()).execute(db.pool()).await;
                noted.map(drop).map_err(io::Error::other)
            }

            async fn prepare(&self) {
                let sql = "CREATE TABLE heard (round BIGINT NOT NULL, outcome TEXT NOT NULL)";
                sqlx::raw_sql(sql).execute(self.db.pool()).await.unwrap();
            }

            async fn noted(&self) -> Vec<(i64, String)> {
                sqlx::query_as("SELECT round, outcome FROM heard").fetch_all(self.db.pool()).await.unwrap()
            }
        }
    };
}

site!(File, SqliteDatabase, |this| this.folder.file("shop.db").display().to_string(), |at| Sqlite::open(at));
site!(Database, PostgresDatabase, |this| this.url.clone(), |at| Postgres::connect(at));

/// A Redis that no other test has, and that loses nothing that it has confirmed.
struct Kept {
    db: RedisRounds,
    server: RedisServer,
}

impl Site for Kept {
    type Database = RedisRounds;

    async fn new() -> Self {
        let server = RedisServer::own(DURABLE).await.unwrap_or_else(|missing| panic!("{missing}"));
        Self { db: Self::open(server.url()).await, server }
    }

    fn database(&self) -> &RedisRounds {
        &self.db
    }

    fn place(&self) -> String {
        self.server.url().to_owned()
    }

    async fn open(place: &str) -> RedisRounds {
        Redis::rounds(place).await.unwrap()
    }

    async fn note(db: &RedisRounds, round: i64, outcome: &str) -> io::Result<()> {
        let client = redis::Client::open(format!("redis://{}", db.address())).map_err(io::Error::other)?;
        let mut connection = client.get_multiplexed_async_connection().await.map_err(io::Error::other)?;
        let mut push = redis::cmd("RPUSH");
        let pushed = push.arg("heard").arg(format!("{round} {outcome}")).query_async::<()>(&mut connection);
        pushed.await.map_err(io::Error::other)
    }

    async fn prepare(&self) {}

    async fn noted(&self) -> Vec<(i64, String)> {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut range = redis::cmd("LRANGE");
        let lines: Vec<String> = range.arg("heard").arg(0).arg(-1).query_async(&mut connection).await.unwrap();
        let line = |line: String| {
            let (round, outcome) = line.split_once(' ').unwrap();
            (round.parse().unwrap(), outcome.to_owned())
        };
        lines.into_iter().map(line).collect()
    }
}

impl Kept {
    /// The rounds of which something waits for a consumer, as often as it does.
    async fn heard(&self, consumer: &str) -> Vec<i64> {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut range = redis::cmd("XRANGE");
        let stream = format!("{{convoke:rounds}}:approvals:to:{consumer}:heard");
        let entries: Vec<(String, BTreeMap<String, Vec<u8>>)> =
            range.arg(stream).arg("-").arg("+").query_async(&mut connection).await.unwrap();
        let round = |(_, fields): (String, BTreeMap<String, Vec<u8>>)| {
            let event: serde_json::Value = serde_json::from_slice(&fields["body"]).unwrap();
            event["payload"]["round"].as_i64().unwrap()
        };
        entries.into_iter().map(round).collect()
    }
}

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

/// A test over each of them.
macro_rules! over_all {
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

            #[actix_rt::test]
            async fn over_redis() {
                super::$name::<$crate::durable::Kept>().await;
            }
        })*
    };
}
use over_all;
