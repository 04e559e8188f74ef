//! A store in PostgreSQL: isolation, locks that are held for long.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{ErrorKind, Postgres};
use convoke::{Outgoing, StoreError, nothing_since};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgPool};

use super::projecting::{Rows, Sums, expected};
use super::{Base, LONG, all_over, filled, moved};
use crate::transports::logged::{listen, logged};
use crate::transports::outbox::postgres::Database;
use crate::transports::servers::postgres::PostgresServer;

all_over! { [actix_rt::test] crate::transports::outbox::postgres::Database }

#[actix_rt::test]
async fn under_every_isolation_a_position_is_drawn_once_and_a_conflict_is_seen() {
    let base = Database::new().await;
    let store = filled(&base, 1, 1).await;
    let first = store.head().await.unwrap();
    for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let before = store.head().await.unwrap();
        let mut connection = base.db.pool().acquire().await.unwrap();
        let begin = sqlx::AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {isolation}"));
        let mut transaction = connection.begin_with(begin).await.unwrap();
        // Its snapshot is taken here.
        sqlx::raw_sql("SELECT count(*) FROM convoke_record").fetch_one(&mut *transaction).await.unwrap();
        store.append(moved(7, 1)).await.unwrap();
        let appended = store.append(moved(7, 2)).when(nothing_since(before).about("Order", 7)).within(&mut transaction);
        match appended.await.unwrap_err() {
            StoreError::Conflict { position, .. } if isolation == "READ COMMITTED" => {
                assert_eq!(position.number(), before.number() + 1);
            }
            error => {
                assert!(isolation != "READ COMMITTED" && error.is_temporary(), "{isolation}: {error}");
                assert!(error.to_string().contains("begin it again"), "{error}");
            }
        }
    }
    assert_eq!(store.verify().await.unwrap().number(), first.number() + 3);
}

#[actix_rt::test]
async fn who_appends_waits_for_who_has_appended_and_says_so_when_that_is_too_long() {
    let base = Database::new().await;
    let store = filled(&base, 1, 1).await;
    let mut open = base.begin().await;
    store.append(moved(1, 1)).within(&mut open).await.unwrap();
    let mut other = base.begin().await;
    sqlx::raw_sql("SET LOCAL lock_timeout = '50ms'").execute(&mut *other).await.unwrap();
    let error = store.append(moved(1, 2)).within(&mut other).await.unwrap_err();
    assert!(error.to_string().contains("another transaction that is still open has appended"), "{error}");
    Database::commit(open).await;
    assert_eq!(store.append(moved(1, 2)).await.unwrap().number(), 3);
}

#[actix_rt::test]
async fn bytes_of_every_kind_are_stored_as_they_are() {
    let base = Database::new().await;
    let store = filled(&base, 1, 1).await;
    for text in
        ["it's", "back\\slash \\x41 \\\\", "tab\t\u{1}\u{7f}", "Grüße 漢字 🦀", "'; DROP TABLE x; --", "\u{fffd}"]
    {
        store.append(super::noted(text)).await.unwrap();
        let mut transaction = base.begin().await;
        store.append(super::noted(text)).within(&mut transaction).await.unwrap();
        Database::commit(transaction).await;
    }
    let texts = store.read("notes/*").all().await.unwrap();
    let texts: Vec<_> = texts.iter().map(|record| record.event::<super::Noted>().unwrap().text).collect();
    assert_eq!(texts.len(), 12);
    assert!(texts.chunks(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
    assert_eq!(texts[6], "Grüße 漢字 🦀");
}

#[actix_rt::test]
async fn what_is_not_migrated_says_so() {
    let base = Database::new().await;
    let bare = Postgres::over(base.db.pool()).schema("elsewhere").await.unwrap();
    let error = bare.store("orders").await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error}");
}

#[actix_rt::test]
async fn a_transaction_that_a_text_has_ended_appends_nothing() {
    let base = Database::new().await;
    let store = filled(&base, 1, 1).await;
    for end in ["ROLLBACK", "COMMIT"] {
        let mut transaction = base.db.pool().begin().await.unwrap();
        sqlx::raw_sql(end).execute(&mut *transaction).await.unwrap();
        let error = store.append(moved(1, 1)).within(&mut transaction).await.unwrap_err();
        assert!(error.to_string().contains("no transaction"), "{end}: {error}");
        drop(transaction);
        assert_eq!(store.head().await.unwrap().number(), 1, "{end}");
    }
    let mut transaction = base.db.pool().begin().await.unwrap();
    assert_eq!(store.append(moved(1, 1)).within(&mut transaction).await.unwrap().number(), 2);
    transaction.commit().await.unwrap();
}

#[actix_rt::test]
async fn a_server_that_was_killed_is_said_and_gone_on_with() {
    let server = PostgresServer::own(&["fsync=off"]).await.unwrap();
    let Some(ours) = server.ours() else { return };
    let db = Postgres::connect(server.url()).deadline(Duration::from_secs(2)).await.unwrap();
    db.migrate().await.unwrap();
    let store = db.store("orders").await.unwrap();
    store.append_all((0..1500).map(|step| moved(1, step))).await.unwrap();
    let mut reading = store.read("**").start();
    assert_eq!(reading.next().await.unwrap().unwrap().position().number(), 1);
    ours.kill().await;
    for error in [
        store.append(moved(1, 1500)).await.unwrap_err(),
        store.head().await.unwrap_err(),
        store.read("**").all().await.unwrap_err(),
    ] {
        assert!(error.is_temporary(), "{error}");
    }
    // A page was here; what comes behind it waits for the server, and nothing is left out.
    let (mut read, mut failed) = (1, 0);
    while read < 1500 {
        match reading.next().await {
            Ok(record) => {
                read += 1;
                assert_eq!(record.unwrap().position().number(), read);
            }
            Err(error) => {
                assert!(error.is_temporary(), "{error}");
                failed += 1;
                ours.start().await;
            }
        }
    }
    assert!(failed > 0 && reading.next().await.unwrap().is_none());
    // The one that was said to be unreachable may have been appended; the next has no gap before it.
    let next = store.append(moved(1, 1501)).await.unwrap();
    assert_eq!(store.verify().await.unwrap(), next);
}

#[actix_rt::test]
async fn what_was_known_of_an_entity_is_a_hint_and_no_more() {
    let base = Database::new().await;
    let store = filled(&base, 2, 3).await;
    // The last record is gone, as after a server was restored: what is appended now is behind the one before it.
    sqlx::raw_sql("DELETE FROM convoke_record WHERE position > 4").execute(base.db.pool()).await.unwrap();
    for count in [1, 3] {
        store.append_all((0..count).map(|step| moved(1, step))).await.unwrap();
    }
    assert_eq!(store.verify().await.unwrap().number(), 8);
    let read = super::numbers(&store.read("**").about("Order", 1).all().await.unwrap());
    assert_eq!(read, [2, 4, 5, 6, 7, 8]);
    // Somebody else appends meanwhile, and all of a sudden much.
    let other = Postgres::connect(&*base.url).await.unwrap().store("orders").await.unwrap();
    other.append_all((0..500).map(|step| moved(step % 3, step))).await.unwrap();
    store.append_all((0..500).map(|step| moved(step % 3, step))).await.unwrap();
    for order in 0..3 {
        let read = super::numbers(&store.read("**").about("Order", order).all().await.unwrap());
        assert!(read.is_sorted() && read.len() > 300, "{read:?}");
    }
    assert_eq!(store.verify().await.unwrap().number(), 1008);
}

#[actix_rt::test]
async fn a_pool_of_one_connection_is_enough() {
    let base = Database::new().await;
    let store = filled(&base, 2, 300).await;
    for connections in [1, 2] {
        let pool = PgPoolOptions::new().max_connections(connections).connect(&base.url).await.unwrap();
        let db = Postgres::over(&pool).deadline(Duration::from_secs(5)).await.unwrap();
        let narrow = db.store("orders").await.unwrap();
        let mut reading = narrow.read("orders/*").follow().start();
        let last = narrow.head().await.unwrap();
        while reading.next().await.unwrap().unwrap().position() != last {}
        let next = async { tokio::time::timeout(LONG, reading.next()).await.unwrap().unwrap().unwrap() };
        let (appended, read) = tokio::join!(narrow.append(moved(7, 0)), next);
        assert_eq!(read.position(), appended.unwrap());
        let sums = Sums::default();
        let projection =
            db.projection(format!("sums{connections}"), narrow.read("orders/*"), sums.clone()).await.unwrap();
        if connections == 2 {
            base.projection(&store, sums.clone()).await;
            sqlx::raw_sql("DROP TABLE sums_2").execute(&pool).await.unwrap();
        }
        let service = projection.supervised(&EventBus::default()).await.unwrap();
        let caught_up = async {
            while projection.progress().await.unwrap().left() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, caught_up).await.unwrap();
        let edition = projection.rebuild().await.unwrap();
        service.stop().await;
        let mut all = expected(2, 300, 1);
        all.insert(7, 0);
        assert_eq!(base.sums(&sums, edition).await, all);
    }
}

#[actix_rt::test]
async fn what_the_encoding_of_a_database_does_not_have_fails_alone() {
    let base = Database::new().await;
    let create = "CREATE DATABASE old ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    sqlx::raw_sql(create).execute(base.db.pool()).await.unwrap();
    let url = base.url.rsplit_once('/').unwrap().0;
    let db = Postgres::connect(format!("{url}/old")).await.unwrap();
    db.migrate().await.unwrap();
    let store = db.store("orders").await.unwrap();
    // They wait for the first, and go together.
    let topics = ["first", "a/b", "a/ü", "a/漢字", "a/c", "a/d"];
    let appended = topics.map(|topic| store.append(Outgoing::json(topic, serde_json::json!("漢字"))));
    let appended = futures_util::future::join_all(appended.map(IntoFuture::into_future)).await;
    for (topic, appended) in topics.iter().zip(&appended) {
        match appended {
            Ok(_) => assert_ne!(*topic, "a/漢字"),
            Err(StoreError::Transport(error)) => {
                assert!(*topic == "a/漢字" && error.kind() == ErrorKind::Refused, "{topic}: {error}");
            }
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    let read = store.read("**").all().await.unwrap();
    let read: Vec<_> = read.iter().map(|record| record.topic().to_owned()).collect();
    assert_eq!(read, ["first", "a/b", "a/ü", "a/c", "a/d"]);
    assert_eq!(store.read("a/ü").all().await.unwrap().len(), 1);
}

#[actix_rt::test]
async fn a_projection_whose_server_is_killed_goes_on_when_it_is_back() {
    let server = PostgresServer::own(&["fsync=off"]).await.unwrap();
    let Some(ours) = server.ours() else { return };
    let db = Postgres::connect(server.url()).deadline(Duration::from_secs(2)).await.unwrap();
    db.migrate().await.unwrap();
    let store = db.store("orders").await.unwrap();
    store.append_all((0..1000).map(|step| moved(step % 3, step))).await.unwrap();
    let sums = Sums::default();
    let projection = db.projection("sums", store.read("orders/*"), sums.clone()).await.unwrap();
    let service = projection.supervised(&EventBus::default()).await.unwrap();
    let is = async |wanted: ServiceState| {
        let became = async {
            while service.status().state != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, became).await.unwrap();
    };
    is(ServiceState::Running).await;
    ours.kill().await;
    is(ServiceState::Degraded).await;
    ours.start().await;
    is(ServiceState::Running).await;
    store.append(moved(3, 7)).await.unwrap();
    let caught_up = async {
        while !projection.progress().await.is_ok_and(|progress| progress.left() == 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, caught_up).await.unwrap();
    let sums: i64 = sqlx::query_scalar("SELECT sum(total)::bigint FROM sums_1").fetch_one(db.pool()).await.unwrap();
    assert_eq!(sums, 999 * 1000 / 2 + 7);
    service.stop().await;
}

#[actix_rt::test]
async fn what_a_dropped_begin_leaves_behind_takes_nothing_with_it() {
    let base = Database::new().await;
    let store = filled(&base, 1, 1).await;
    for connections in [1, 3] {
        // As of a handler whose client has gone: the transaction begins, and nobody knows of it.
        let pool = PgPoolOptions::new().max_connections(connections).connect(&base.url).await.unwrap();
        let db = Postgres::over(&pool).await.unwrap();
        let theirs = db.store("orders").await.unwrap();
        for _ in 0..20 {
            for ours in [true, false] {
                let begin = async {
                    let transaction = if ours { db.begin().await.unwrap() } else { pool.begin().await.unwrap() };
                    drop(transaction);
                };
                let mut begin = std::pin::pin!(begin);
                // Until it has sent something.
                for _ in 0..3 {
                    let poll = |cx: &mut std::task::Context<'_>| std::task::Poll::Ready(begin.as_mut().poll(cx));
                    if std::future::poll_fn(poll).await.is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            let appended = theirs.append(moved(1, 1)).await.unwrap();
            assert_eq!(store.head().await.unwrap(), appended, "it is not committed");
        }
    }
    assert_eq!(store.verify().await.unwrap().number(), 41);
}

#[actix_rt::test]
async fn the_log_says_that_somebody_leaves_transactions_open() {
    listen();
    let base = Database::new().await;
    filled(&base, 1, 1).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&base.url).await.unwrap();
    let db = Postgres::over(&pool).await.unwrap();
    let name = "orders-beside-open-transactions";
    let store = db.store(name).await.unwrap();
    let said = format!("{name}: the pool has given a connection on which a transaction of somebody is open");
    // What it leaves is the same as of a `begin` that was dropped when the server had it.
    let leaves = async || {
        sqlx::raw_sql("BEGIN").execute(&pool).await.unwrap();
    };
    store.append(moved(1, 1)).await.unwrap();
    assert!(!logged().contains(&said), "nobody has left one");
    leaves().await;
    let appended = store.append(moved(1, 1)).await.unwrap();
    assert!(logged().contains(&said), "{}", logged());
    leaves().await;
    store.append(moved(1, 1)).await.unwrap();
    assert_eq!(logged().matches(&said).count(), 1, "once a minute");
    // Somebody else sees them.
    let direct = PgPool::connect(&base.url).await.unwrap();
    let seen = Postgres::over(&direct).await.unwrap().store(name).await.unwrap();
    assert_eq!(seen.head().await.unwrap().number(), appended.number() + 1);
}
