//! Statements with a name: where they are, and who has to do without.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::{Instant, sleep, timeout};

use super::outages::pooler_with;
use super::{LONG, database, server};
use crate::transports::servers::is_ci;

#[derive(Clone, Event, serde::Serialize, serde::Deserialize)]
#[event(topic = "names/kept", entity = "Name", entity_id = of)]
struct Named {
    of: u32,
}

async fn how_many(db: &PostgresDatabase, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(db.pool()).await.unwrap()
}

/// Connections that append by a statement with a name now, or did so last. It does not match itself.
const BY_NAME: &str = r"SELECT count(*) FROM pg_stat_activity WHERE query ~ 'convoke_append_1[(][$]1'";

#[tokio::test]
async fn statements_have_names_unless_a_pooler_stands_between() {
    let server = server().await;
    let direct = database(&server, "shop").await;
    assert!(direct.pool().acquire().await.unwrap().cached_statements_size() > 0);
    // One refuses what it does not know of who connects, and one that is told so leaves it out.
    for settings in ["", "ignore_startup_parameters = options"] {
        let Some(pooler) = pooler_with(server.url(), settings).await else {
            assert!(!is_ci(), "pgbouncer is not installed, and under CI that is a failure");
            return;
        };
        let db = Postgres::connect(pooler.url()).schema("shop").await.unwrap();
        let store = db.store("names").await.unwrap();
        for of in 0..20 {
            store.append(Named { of }).await.unwrap();
        }
        assert_eq!(db.pool().acquire().await.unwrap().cached_statements_size(), 0, "{settings}");
        assert_eq!(how_many(&direct, BY_NAME).await, 0, "{settings}");
    }
}

#[tokio::test]
async fn who_appends_much_does_so_by_name_and_gives_the_connection_back() {
    let server = server().await;
    let (db, other) = (database(&server, "shop").await, database(&server, "shop").await);
    let (store, beside) = (db.store("names").await.unwrap(), other.store("names").await.unwrap());
    let patience = Instant::now() + LONG;
    let mut appended = 0;
    while how_many(&other, BY_NAME).await == 0 {
        assert!(Instant::now() < patience, "{appended} appends had no name");
        for of in 0..20 {
            store.append(Named { of }).await.unwrap();
        }
        // Somebody else's come between.
        beside.append(Named { of: 7 }).await.unwrap();
        appended += 21;
    }
    assert_eq!(store.verify().await.unwrap().number(), appended);
    while db.pool().num_idle() < db.pool().size() as usize {
        assert!(Instant::now() < patience, "the connection is kept though nobody appends");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_pool_of_one_connection_is_shared_with_who_else_needs_it() {
    let server = server().await;
    database(&server, "shop").await;
    let pool = PgPoolOptions::new().max_connections(1).connect(server.url()).await.unwrap();
    let db = Postgres::over(&pool).schema("shop").await.unwrap();
    let store = db.store("names").await.unwrap();
    // Its user keeps statements.
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
    for turn in 0..20 {
        for of in 0..5 {
            store.append(Named { of }).await.unwrap();
        }
        let mut transaction = timeout(LONG, pool.begin()).await.unwrap().unwrap();
        sqlx::query("SELECT 2").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(store.head().await.unwrap().number(), 5 * (turn + 1));
    }
}

#[tokio::test]
async fn under_another_isolation_a_position_is_drawn_once_by_name_too() {
    let server = server().await;
    let db = database(&server, "shop").await;
    sqlx::raw_sql("ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'")
        .execute(db.pool())
        .await
        .unwrap();
    let mut all = Vec::new();
    for _ in 0..3 {
        let store = database(&server, "shop").await.store("names").await.unwrap();
        all.push(tokio::spawn(async move {
            for of in 0..100 {
                store.append(Named { of }).await.unwrap();
            }
        }));
    }
    for appending in all {
        appending.await.unwrap();
    }
    assert_eq!(db.store("names").await.unwrap().verify().await.unwrap().number(), 300);
}
