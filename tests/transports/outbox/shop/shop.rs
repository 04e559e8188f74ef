//! The application: a counter for each key and an order for each event, in one transaction with the event.
//!
//! `sell → begin → counter → publish → order → commit | rollback`

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Sqlite, SqliteDatabase};
use convoke::{Envelope, Outbox, OutboxDatabase};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::child::{Killer, Step};

/// So many keys.
pub(super) const KEYS: i64 = 5;

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/sold")]
pub(super) struct Sold {
    pub(super) key: i64,
    /// The how many-th of its key, in the order of commits.
    pub(super) number: i64,
}

/// What the tables say: of each order its id, key and number, and the ids of the outbox's rows.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) orders: Vec<(String, i64, i64)>,
    pub(super) rows: Vec<String>,
}

pub(super) trait Shop: Sized + 'static {
    type Database: OutboxDatabase;

    /// Opens it, and makes its tables.
    async fn open(place: &str) -> Self;
    async fn over(db: Self::Database) -> Self;
    fn outbox(&self) -> &Outbox<Self::Database>;
    /// Sells one, or does not in the end.
    async fn sell(&self, key: i64, keep: bool, killer: &Killer) -> Result<(), Box<dyn std::error::Error>>;
    /// Publishes these in one transaction.
    async fn publish_all(&self, all: &[Sold]);
    /// In one snapshot.
    async fn tables(&self) -> Tables;
    /// Returns up to which number each key has got.
    async fn counters(&self) -> Vec<(i64, i64)>;
    /// Forgets the orders of a key up to this number.
    async fn forget(&self, key: i64, number: i64);
    /// Has the lanes of the dead free at once, in place of the 10 s for which they are kept.
    async fn free_lanes(&self);
}

macro_rules! shop {
    ($name:ident, $database:ty, $place:ident => $open:expr, $busy:expr) => {
        pub(super) struct $name {
            db: $database,
            outbox: Outbox<$database>,
        }

        impl Shop for $name {
            type Database = $database;

            async fn open($place: &str) -> Self {
                Self::over($open.await.unwrap()).await
            }

            async fn over(db: $database) -> Self {
                db.migrate().await.unwrap();
                for sql in [
                    "CREATE TABLE IF NOT EXISTS counters (key BIGINT PRIMARY KEY, number BIGINT NOT NULL)",
                    "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, key BIGINT NOT NULL, number BIGINT NOT NULL)",
                ] {
                    sqlx::raw_sql(sql).execute(db.pool()).await.unwrap();
                }
                // Without parameters, so that a pooler may stand between.
                let keys: Vec<_> = (0..KEYS).map(|key| format!("({key}, 0)")).collect();
                let seed = format!("INSERT INTO counters (key, number) VALUES {} ON CONFLICT DO NOTHING", keys.join(", "));
                sqlx::raw_sql(AssertSqlSafe(seed)).execute(db.pool()).await.unwrap();
                let outbox = db.outbox("Shop").ordered_by(key_of).await.unwrap();
                Self { db, outbox }
            }

            fn outbox(&self) -> &Outbox<$database> {
                &self.outbox
            }

            async fn sell(&self, key: i64, keep: bool, killer: &Killer) -> Result<(), Box<dyn std::error::Error>> {
                killer.at(Step::Begin);
                let mut tx = self.db.begin().await?;
                let count = "UPDATE counters SET number = number + 1 WHERE key = $1 RETURNING number";
                let number: i64 = sqlx::query_scalar(count).persistent(false).bind(key).fetch_one(&mut *tx).await?;
                killer.at(Step::Insert);
                let id = self.outbox.publish(&mut tx, Sold { key, number }).await?;
                let order = sqlx::query("INSERT INTO orders (id, key, number) VALUES ($1, $2, $3)").persistent(false);
                order.bind(id.to_string()).bind(key).bind(number).execute(&mut *tx).await?;
                killer.at(Step::Commit);
                match keep {
                    true => tx.commit().await?,
                    false => tx.rollback().await?,
                }
                Ok(())
            }

            async fn publish_all(&self, all: &[Sold]) {
                let mut tx = self.db.begin().await.unwrap();
                self.outbox.publish_all(&mut tx, all.iter().cloned()).await.unwrap();
                tx.commit().await.unwrap();
            }

            async fn tables(&self) -> Tables {
                let sql = "SELECT id, key, number FROM orders UNION ALL SELECT packet, -1, -1 FROM convoke_outbox";
                let mut tries = 0;
                let all: Vec<(String, i64, i64)> = loop {
                    tries += 1;
                    match sqlx::query_as(sql).persistent(false).fetch_all(self.db.pool()).await {
                        Ok(all) => break all,
                        // Its connection may have been one of those that were ended.
                        Err(error) => assert!(tries < 20, "{error}"),
                    }
                };
                let (rows, orders): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.1 == -1);
                Tables { orders, rows: rows.into_iter().map(|row| row.0).collect() }
            }

            async fn counters(&self) -> Vec<(i64, i64)> {
                sqlx::query_as("SELECT key, number FROM counters").persistent(false).fetch_all(self.db.pool()).await.unwrap()
            }

            async fn forget(&self, key: i64, number: i64) {
                let forget = sqlx::query("DELETE FROM orders WHERE key = $1 AND number <= $2").persistent(false);
                forget.bind(key).bind(number).execute(self.db.pool()).await.unwrap();
            }

            async fn free_lanes(&self) {
                let busy: Option<&'static str> = $busy;
                while let Some(busy) = busy {
                    let busy: i64 = sqlx::query_scalar(busy).persistent(false).fetch_one(self.db.pool()).await.unwrap();
                    if busy == 0 {
                        break;
                    }
                }
                sqlx::raw_sql("DELETE FROM convoke_outbox_relay").execute(self.db.pool()).await.unwrap();
            }
        }
    };
}

fn key_of(envelope: &Envelope) -> Option<String> {
    Some(envelope.payload.get("key")?.to_string())
}

shop!(SqliteShop, SqliteDatabase, place => Sqlite::open(place), None);
// Its server may still be at what the dead have asked for.
shop!(
    PostgresShop,
    PostgresDatabase,
    place => Postgres::connect(place).connections(4),
    Some("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()")
);

impl PostgresShop {
    /// What the server is at, and who has which lane.
    pub(super) async fn activity(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', pid, state, wait_event, xact_start, left(query, 100)) FROM pg_stat_activity \
            UNION ALL SELECT concat_ws(' ', 'relay', relay, until) FROM convoke_outbox_relay \
            UNION ALL SELECT concat_ws(' ', 'lane', lane, relay) FROM convoke_outbox_lane \
            UNION ALL SELECT concat_ws(' ', 'row', position, lane, state, key) FROM convoke_outbox";
        sqlx::query_scalar(sql).persistent(false).fetch_all(self.db.pool()).await.unwrap()
    }
}
