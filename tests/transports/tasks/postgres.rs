//! Tasks in a PostgreSQL.

use std::time::Duration;

use convoke::transport::ErrorKind;
use convoke::{TaskError, Tasks};
use sqlx::PgPool;

use super::all_over;
use super::shop::{Register, Shop, Sweep, ended, register};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::until;

all_over! { [actix_rt::test] crate::transports::outbox::postgres::Database }

#[actix_rt::test]
async fn a_transaction_that_a_text_has_ended_is_none() {
    let shop = Shop::<Database>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    for pool in [shop.base.db.pool().clone(), PgPool::connect(&shop.base.url).await.unwrap()] {
        let mut transaction = pool.begin().await.unwrap();
        let _ = queue.enqueue(Register { id: 1 }).within(&mut transaction).await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut *transaction).await.unwrap();
        let error = queue.enqueue(Register { id: 2 }).within(&mut transaction).await.unwrap_err();
        assert!(error.to_string().contains("no transaction"), "{error}");
    }
    assert_eq!(queue.figures().await.unwrap().waiting, 0);
}

#[actix_rt::test]
async fn a_transaction_that_waits_for_a_unique_key_says_so() {
    let shop = Shop::<Database>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    let mut first = shop.base.db.begin().await.unwrap();
    let _ = queue.enqueue(Register { id: 2_000 }).within(&mut first).await.unwrap();
    let mut second = shop.base.db.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL lock_timeout = '50ms'").execute(&mut *second).await.unwrap();
    let error = queue.enqueue(Register { id: 2_000 }).within(&mut second).await.unwrap_err();
    let TaskError::Transport(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("unique key"), "{error}");
    drop(second);
    first.commit().await.unwrap();
    assert_eq!(queue.figures().await.unwrap().waiting, 1);
}

#[actix_rt::test]
async fn under_every_isolation_there_is_one_of_a_key() {
    let shop = Shop::<Database>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    for (place, isolation) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].into_iter().enumerate() {
        let id = 2_000 + place as u64;
        let begin = sqlx::AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {isolation}"));
        let mut transaction = shop.base.db.pool().begin_with(begin).await.unwrap();
        sqlx::raw_sql("SELECT 1 FROM convoke_job").execute(&mut *transaction).await.unwrap();
        let there = queue.enqueue(Register { id }).await.unwrap();
        match queue.enqueue(Register { id }).within(&mut transaction).await {
            Ok(enqueued) => assert!(!enqueued.is_new() && enqueued.id() == there.id(), "{isolation}"),
            // It does not see the other one, and has to begin again.
            Err(TaskError::Transport(error)) => assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[actix_rt::test]
async fn other_processes_are_told_by_the_server() {
    let shop = Shop::<Database>::new().await;
    // Another pool hears only what the server tells.
    let other = convoke::transport::Postgres::connect(&shop.base.url).await.unwrap();
    let tasks =
        Tasks::new(&other, &shop.bus).poll_every(Duration::from_secs(3600)).on(register).unwrap().await.unwrap();
    let queue = shop.base.db.tasks().await.unwrap();
    until("it is heard", async || {
        let _ = queue.enqueue(Register { id: 1 }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        !shop.heard().is_empty()
    })
    .await;
    tasks.stop().await;
}

#[actix_rt::test]
async fn a_database_that_has_no_tables_says_so() {
    let shop = Shop::<Database>::new().await;
    sqlx::raw_sql("UPDATE convoke_schema SET version = 4").execute(shop.base.db.pool()).await.unwrap();
    let error = shop.base.db.tasks().await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error}");
}

#[actix_rt::test]
async fn a_database_that_was_replaced_is_found_again() {
    let shop = Shop::<Database>::new().await;
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    ended(&tasks.enqueue(Register { id: 1 }).await.unwrap()).await;
    let (schema, pool) = ("public", shop.base.db.pool());
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")))
        .execute(pool)
        .await
        .unwrap();
    shop.base.db.migrate().await.unwrap();
    until("jobs are taken again", async || tasks.enqueue(Register { id: 2 }).await.is_ok()).await;
    shop.hears(2).await;
    tasks.stop().await;
}

/// Jobs that are alike are inserted without a function of the server, whether the pool keeps statements or not, and also by a
/// transaction that has written nothing before.
#[actix_rt::test]
async fn jobs_that_are_alike_are_inserted_in_their_order_by_every_pool() {
    let shop = Shop::<Database>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    let another = PgPool::connect(&shop.base.url).await.unwrap();
    let mut numbers = Vec::new();
    for (pool, count) in [(shop.base.db.pool(), 1), (shop.base.db.pool(), 40), (&another, 1), (&another, 40)] {
        let mut transaction = pool.begin().await.unwrap();
        let jobs = (0..count).map(|id| Register { id });
        let enqueued = queue.enqueue_all(jobs).after(Duration::from_secs(60)).within(&mut transaction).await.unwrap();
        assert_eq!(enqueued.len(), usize::try_from(count).unwrap());
        transaction.commit().await.unwrap();
        numbers.extend(enqueued.iter().map(|job| job.id()));
        for (id, job) in enqueued.iter().enumerate() {
            let payload: String = sqlx::query_scalar("SELECT payload FROM convoke_job WHERE id = $1")
                .bind(job.id().number())
                .fetch_one(&another)
                .await
                .unwrap();
            assert_eq!(payload, format!("{{\"id\":{id}}}"));
        }
    }
    assert_eq!(queue.figures().await.unwrap().scheduled, 82);
    assert!(numbers.is_sorted(), "{numbers:?}");
}

/// However many jobs wait for their turn: who lends ten of them reads what is of these.
#[actix_rt::test]
async fn of_many_that_wait_for_their_turn_few_are_read() {
    let shop = Shop::<Database>::new().await;
    let queue = shop.base.db.tasks().await.unwrap();
    queue.enqueue_all((0..20_000).map(|place| Sweep { tenant: place % 1_000, place })).await.unwrap();
    let mut transaction = shop.base.db.begin().await.unwrap();
    let read = "SELECT sum(pg_stat_get_xact_blocks_fetched(indexrelid))::bigint FROM pg_index \
        WHERE indrelid = 'convoke_job'::regclass";
    let before: i64 = sqlx::query_scalar(read).fetch_one(&mut *transaction).await.unwrap();
    let lend = "SELECT count(l.id) FROM (SELECT lane, id FROM convoke_job LIMIT 1) AS j, convoke_job_lend_1( \
        (SELECT id FROM convoke_database), ARRAY[j.lane], 10, 30000000, 32, false, ARRAY[j.lane], ARRAY[1::bigint], ARRAY[1::bigint], \
        ARRAY[NULL::bigint], ARRAY[NULL::bigint], ARRAY[9223372036854775807]) AS l";
    let lent: i64 = sqlx::query_scalar(lend).fetch_one(&mut *transaction).await.unwrap();
    let after: i64 = sqlx::query_scalar(read).fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(lent, 10);
    assert!(after - before < 600, "{} pages of indexes are read", after - before);
}
