//! Tasks in a PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{ErrorKind, Postgres, PostgresDatabase};
use convoke::{Fault, Steps, TaskError, TaskProgress, Tasks, Tx};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::doing::{a_function_goes_on_meanwhile, a_pool_of_one_is_enough};
use super::failing::{what_is_refused_of_one_holds_nobody_up, who_cannot_settle_is_unhealthy};
use super::many::what_nobody_tells_a_batch_is_seen_all_the_same;
use super::processes::children::Place;
use super::shop::{Register, Registered, Shop, Sweep, ended, register};
use super::{Base, all_over};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::until;
use crate::transports::postgres::pooler;
use crate::transports::servers::is_ci;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::proxy::Proxy;
use crate::transports::servers::sqlite::Folder;

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
async fn a_function_goes_on_while_its_row_is_locked() {
    let shop = Shop::<Database>::new().await;
    let patient = Postgres::connect(&shop.base.url).deadline(Duration::from_secs(600)).await.unwrap();
    let locks = async || {
        let mut other = shop.base.db.begin().await.unwrap();
        sqlx::raw_sql("SELECT 1 FROM convoke_job FOR UPDATE").execute(&mut *other).await.unwrap();
        other
    };
    a_function_goes_on_meanwhile::<Database, _>(&patient, &shop.bus, locks).await;
}

#[actix_rt::test]
async fn a_worker_whose_outbox_takes_nothing_is_unhealthy() {
    let shop = Shop::<Database>::new().await;
    let breaks = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
        CREATE TRIGGER no BEFORE INSERT ON convoke_outbox FOR EACH ROW EXECUTE FUNCTION no()";
    let (breaks, mends) = (shop.base.sql(breaks), shop.base.sql("DROP TRIGGER no ON convoke_outbox"));
    who_cannot_settle_is_unhealthy(&shop, async || breaks.await, async || mends.await).await;
}

#[actix_rt::test]
async fn an_event_that_the_server_refuses_holds_nobody_up() {
    let shop = Shop::<Database>::new().await;
    let breaks = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
        CREATE TRIGGER no BEFORE INSERT ON convoke_outbox FOR EACH ROW WHEN (NEW.topic = 'users/renamed') EXECUTE FUNCTION no()";
    let breaks = shop.base.sql(breaks);
    what_is_refused_of_one_holds_nobody_up(&shop, async || breaks.await).await;
}

#[actix_rt::test]
async fn one_connection_of_a_pool_is_enough() {
    let shop = Shop::<Database>::new().await;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(&shop.base.url).await.unwrap();
    a_pool_of_one_is_enough(&Postgres::over(&pool).await.unwrap()).await;
}

/// A server that is killed forgets what a sequence has given to a transaction that has not committed.
#[actix_rt::test]
async fn a_handle_of_what_a_crash_has_undone_is_of_no_other_job() {
    let server = PostgresServer::own(&[]).await.unwrap();
    let db = Postgres::connect(server.url()).await.unwrap();
    db.migrate().await.unwrap();
    let queue = db.tasks().await.unwrap();
    let mut transaction = db.begin().await.unwrap();
    // More than a sequence writes down ahead.
    let gone = queue.enqueue_all((0..200).map(|id| Register { id })).within(&mut transaction).await.unwrap();
    server.ours().unwrap().kill().await;
    drop(transaction);
    server.ours().unwrap().start().await;
    until("it is there again", async || queue.enqueue_all((0..300).map(|id| Register { id })).await.is_ok()).await;
    let mut others = 0;
    for job in &gone {
        others += usize::from(job.status().await.unwrap().is_some());
    }
    // The numbers that it gives again have another end, but for one in 8,192.
    assert!(others <= 2, "{others} of 200");
}

#[actix_rt::test]
async fn a_pooler_in_transaction_mode_may_stand_between() {
    let server = PostgresServer::own(&["fsync=off"]).await.unwrap();
    let Some(pooler) = pooler(server.url()).await else {
        assert!(!is_ci(), "pgbouncer is not installed, and under CI that is a failure");
        return;
    };
    let db = Postgres::connect(pooler.url()).schema("shop").await.unwrap();
    db.migrate().await.unwrap();
    let (bus, outbox) = (EventBus::default(), db.outbox("Shop").await.unwrap());
    let both = |name: &str| {
        let tasks = Tasks::new(&db, &bus).named(name).outbox(&outbox).poll_every(Duration::from_millis(10));
        let slow = async |user: Arc<Register>, progress: TaskProgress, steps: Steps, mut tx: Tx<PostgresDatabase>| {
            progress.fraction(0.5);
            let id = steps.step("looked up", async { Ok::<_, Fault>(user.id) }).await?;
            sqlx::raw_sql("SELECT 1").execute(tx.begin().await?).await?;
            Ok::<_, Fault>(Registered { id })
        };
        tasks.on(slow).unwrap().on(async |_: Arc<Sweep>| {}).unwrap()
    };
    let (first, second) = (both("first").await.unwrap(), both("second").await.unwrap());
    for id in 0..100 {
        let mut transaction = db.begin().await.unwrap();
        let _ = first.enqueue(Register { id }).within(&mut transaction).await.unwrap();
        let _ = first.enqueue(Register { id: 2_000 + id / 2 }).within(&mut transaction).await.unwrap();
        let _ = first.enqueue(Sweep { tenant: 1, place: 1 }).within(&mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
    until("all have ended", async || {
        let figures = first.figures().await.unwrap();
        figures.waiting + figures.running + figures.scheduled == 0
    })
    .await;
    let told = outbox.figures().await.unwrap().ready;
    assert!((150..=200).contains(&told), "of a unique key there is one at a time: {told}");
    assert!(first.probe().health().healthy && second.probe().health().healthy);
    first.stop().await;
    second.stop().await;
    let direct = PgPool::connect(server.url()).await.unwrap();
    let named: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_prepared_statements").fetch_one(&direct).await.unwrap();
    assert!(named <= 1, "{named} statements have names");
}

/// Jobs end one after the other, and many soon after each other. Where statements have names the end of one and its event are a message;
/// and elsewhere a transaction.
#[actix_rt::test]
async fn a_job_and_its_event_end_by_one_message() {
    const JOBS: usize = 300;
    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    let base = Database::new().await;
    let outbox = base.db.outbox("Shop").await.unwrap();
    let queue = base.db.tasks().await.unwrap();
    let (user, server) = base.url.split_once('@').unwrap();
    let (server, name) = server.split_once('/').unwrap();
    let mut asked = Vec::new();
    for has_names in [true, false] {
        let proxy = Proxy::start(server).await.unwrap();
        let url = format!("{user}@{}/{name}", proxy.endpoint().trim_start_matches("http://"));
        let db = match has_names {
            true => Postgres::connect(&url).await.unwrap(),
            false => {
                let options: PgConnectOptions = url.parse().unwrap();
                Postgres::over(&PgPoolOptions::new().connect_lazy_with(options.statement_cache_capacity(0)))
                    .await
                    .unwrap()
            }
        };
        let told = db.outbox("Shop").await.unwrap();
        // On a machine that is slow just now they do not follow each other soon.
        for round in 1..=20 {
            let before = outbox.figures().await.unwrap().ready;
            queue.enqueue_all((0..JOBS as u64).map(|id| Register { id })).await.unwrap();
            let (requests, begun) = (proxy.seen(""), proxy.seen(BEGIN));
            let tasks = Tasks::new(&db, &EventBus::default()).outbox(&told).concurrency(1).gather(1);
            let tasks = tasks.on(register).unwrap().await.unwrap();
            until("all have ended", async || outbox.figures().await.unwrap().ready == before + JOBS as u64).await;
            let (requests, begun) = (proxy.seen("") - requests, proxy.seen(BEGIN) - begun);
            tasks.stop().await;
            assert_eq!(queue.figures().await.unwrap().waiting, 0);
            if !has_names || 2 * begun < JOBS || round == 20 {
                asked.push((requests, begun));
                break;
            }
        }
    }
    println!(
        "figure: requests, and transactions of several, for {JOBS} jobs that end one by one (with names, without): {asked:?}"
    );
    let [(requests, begun), (without, begun_without)] = asked[..] else { panic!("{asked:?}") };
    assert!(2 * begun < JOBS && begun_without >= JOBS && requests < without, "{asked:?}");
}

/// Each statement that jobs take is found in the log of a server that explains it, within functions too.
#[actix_rt::test]
async fn with_a_hundred_thousand_jobs_no_statement_reads_the_whole_table() {
    let folder = Folder::new().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let place = format!("log_directory={}", folder.path().display());
    let server = PostgresServer::own(&[
        "fsync=off",
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_nested_statements=on",
        "logging_collector=on",
        "log_filename=plans",
        &place,
    ])
    .await
    .unwrap();
    let db = Postgres::connect(server.url()).await.unwrap();
    db.migrate().await.unwrap();
    let fill = "INSERT INTO convoke_job (lane, rank, due, at, key, attempts, state, hold, queue, task, payload) \
        SELECT place % 7, place, place, place, CASE WHEN place % 3 = 1 THEN place END, 3, place % 7, 0, 'other', 'other', '{}' \
        FROM generate_series(1, 100000) AS place WHERE place % 7 <> 3; \
        INSERT INTO convoke_job_tick (schedule, at) SELECT 'other ' || place, 0 FROM generate_series(1, 1000) AS place; \
        INSERT INTO convoke_job_step (job, name, result) SELECT id, 'other', '1' FROM convoke_job; \
        ANALYZE";
    sqlx::raw_sql(fill).execute(db.pool()).await.unwrap();
    let (bus, outbox) = (EventBus::default(), db.outbox("Shop").await.unwrap());
    let does = async |user: Arc<Register>, progress: TaskProgress, steps: Steps| {
        progress.fraction(0.5);
        let id = steps.step("looked up", async { Ok::<_, Fault>(user.id) }).await?;
        if id % 3 == 0 { Err(Fault::new("no")) } else { Ok(Registered { id }) }
    };
    let begun = std::fs::read_to_string(folder.file("plans")).unwrap().len();
    let tasks = Tasks::new(&db, &bus).outbox(&outbox).poll_every(Duration::from_millis(10)).on(does).unwrap();
    let tasks =
        tasks.on(async |_: Arc<Sweep>| {}).unwrap().every("* * * * * *", Sweep { tenant: 9, place: 9 }).unwrap();
    let tasks = tasks.await.unwrap();
    let mut jobs = tasks.enqueue_all((0..200).map(|id| Register { id })).await.unwrap();
    jobs.extend(tasks.enqueue_all((2_000..2_050).map(|id| Register { id })).await.unwrap());
    tasks.enqueue_all((0..200).map(|place| Sweep { tenant: place % 20, place })).await.unwrap();
    let later = tasks.enqueue(Register { id: 1 }).after(Duration::from_secs(3600)).await.unwrap();
    later.cancel().await.unwrap();
    for job in &jobs {
        ended(job).await;
        job.retry().await.unwrap();
    }
    tasks.failed("0".parse().unwrap(), 10).await.unwrap();
    tasks.figures().await.unwrap();
    // Some have been kept for long enough, which is looked for every 10 s, and so are leases.
    tokio::time::sleep(Duration::from_secs(12)).await;
    tasks.stop().await;
    let plans = std::fs::read_to_string(folder.file("plans")).unwrap();
    let plans: Vec<_> = plans[begun..].split("Query Text: ").skip(1).collect();
    let of_jobs: Vec<_> = plans.iter().filter(|plan| plan.contains("on convoke_job")).collect();
    println!("figure: {} plans of statements on jobs, 100,000 in the table: none reads all of it", of_jobs.len());
    assert!(of_jobs.len() > 100, "{}", of_jobs.len());
    for (name, what) in [("lend", "state = 3, at = moment"), ("prune", "j.state = over"), ("turns", "turns")] {
        assert!(of_jobs.iter().any(|plan| plan.contains(what)), "no plan of {name}");
    }
    for plan in of_jobs {
        assert!(!plan.contains("Seq Scan on convoke_job"), "{plan}");
    }
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
    // Its event would go with the database.
    shop.hears(1).await;
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

#[actix_rt::test]
async fn what_nobody_tells_a_batch_is_seen() {
    what_nobody_tells_a_batch_is_seen_all_the_same::<Database>().await;
}
