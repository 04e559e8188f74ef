//! Somebody keeps vacuum back of a PostgreSQL: what lending reads, and that it passes over no job.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AsReturned, Attempt, Fault, Task, TaskFailed, TaskTerms, Tasks};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::processes::children::Place;
use super::shop::Register;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::{Base, until};

async fn keep_vacuum_back(base: &Database) -> PgConnection {
    let mut idle = PgConnection::connect(&base.url).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()").execute(&mut idle).await.unwrap();
    idle
}

/// How many entries of indexes each statement of a transaction reads, which is undone.
async fn read_by<const N: usize>(connection: &mut PgConnection, statements: [String; N]) -> [i64; N] {
    let count = "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint FROM pg_index \
        WHERE indrelid = 'convoke_job'::regclass";
    let (mut transaction, mut read) = (connection.begin().await.unwrap(), [0; N]);
    for (statement, read) in statements.into_iter().zip(&mut read) {
        let before: i64 = sqlx::query_scalar(count).fetch_one(&mut *transaction).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
        let after: i64 = sqlx::query_scalar(count).fetch_one(&mut *transaction).await.unwrap();
        *read = after - before;
    }
    transaction.rollback().await.unwrap();
    read
}

/// Lends so many of a lane, and these are the last arguments.
fn lend(lane: i64, most: i64, floor: &str) -> String {
    format!(
        "convoke_job_lend_1((SELECT id FROM convoke_database), '{{{lane}}}', {most}, 30000000, 32, true, \
         '{{{lane}}}', '{{1}}', '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{9223372036854775807}}'{floor})"
    )
}

/// Ends what this has lent.
fn settle(of: &str, how: i16, micros: i64) -> String {
    format!(
        "SELECT convoke_job_settle_1((SELECT id FROM convoke_database), array_agg(id), array_agg(attempt), \
         array_agg({how}::smallint), array_agg(4::smallint), array_agg({micros}::bigint), array_agg(NULL::text)) \
         FROM {of} WHERE id IS NOT NULL"
    )
}

#[actix_rt::test]
async fn what_lending_reads_above_a_floor_is_the_same_however_many_are_dead() {
    let base = Database::new().await;
    let queue = base.tasks().await.unwrap();
    let idle = keep_vacuum_back(&base).await;
    let mut connection = PgConnection::connect(&base.url).await.unwrap();
    let some = |from: u64, count: u64| queue.enqueue_all((from..from + count).map(|id| Register { id: id % 1_000 }));
    let _ = some(0, 1).await.unwrap();
    let lane = base.number("SELECT lane FROM convoke_job").await;
    let lend = |most: i64, floor: &str| lend(lane, most, floor);
    let mut found = Vec::new();
    for rounds in [3, 30] {
        for _ in 0..rounds {
            let _ = some(0, 200).await.unwrap();
            // A part of them comes again, now or when they are due, a part is kept, and the others are gone.
            for (how, time) in [(1, 0), (1, 1), (2, 0), (4, 1), (0, 0)] {
                let most = if how == 0 { 1_000 } else { 40 };
                base.sql(&settle(&lend(most, ""), how, time)).await;
            }
        }
        base.sql("SELECT convoke_job_prune_1(100000)").await;
        let sql = format!(
            "SELECT now.*, floor.* FROM (SELECT (pg_sequence_last_value('convoke_job_number') + 1) * 8192 AS id, \
                 convoke_micros_1() AS since) AS now, \
             convoke_job_floor_1('{{{lane}}}', '{{{low}}}', '{{{low},{low},{low},{low},{low}}}', NULL, NULL, now.since) AS floor",
            low = i64::MIN
        );
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        let (id, since): (i64, i64) = (row.get(0), row.get(1));
        let (ranks, times): (Vec<i64>, Vec<i64>) = (row.get(2), row.get(3));
        assert_eq!(ranks, [i64::MAX], "nothing is left");
        let times = times.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let floor = format!(", '{{{}}}', '{{{times}}}', {id}, {since}", ranks[0]);
        let _ = some(0, 10).await.unwrap();
        let [without] = read_by(&mut connection, [format!("SELECT * FROM {}", lend(10, ""))]).await;
        let [with, _, renewing, settling, pruning] = read_by(
            &mut connection,
            [
                format!("SELECT * FROM {}", lend(10, &floor)),
                "CREATE TEMP TABLE lent ON COMMIT DROP AS SELECT id, attempt FROM convoke_job WHERE state + 0 = 3"
                    .to_owned(),
                "SELECT convoke_job_renew_1(array_agg(id), array_agg(attempt), 30000000) FROM lent".to_owned(),
                settle("lent", 4, 1),
                format!("SELECT convoke_job_prune_1(1000, '{{{times}}}')"),
            ],
        )
        .await;
        found.push([without, with, renewing, settling, pruning]);
        base.sql(&settle(&lend(10, &floor), 0, 0)).await;
        assert_eq!(base.number("SELECT count(*) FROM convoke_job").await, 0, "all were lent above the floor");
    }
    println!("figure: entries read by lending, lending above a floor, renewing, settling and pruning: {found:?}");
    assert!(found[1][0] > 5 * found[0][0], "dead rows are in the way of who looks from the start: {found:?}");
    for (few, many) in found[0].into_iter().zip(found[1]).skip(1) {
        assert!(many < few + 100 && many < 400, "{found:?}");
    }
    drop(idle);
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Number {
    id: u64,
}

impl Task for Number {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Number";
    const TERMS: TaskTerms = TaskTerms::new().waits(Duration::from_millis(1), Duration::from_millis(300));
}

/// The floor is in use from a moment on, for a minute at least; all is done long before that ends.
#[actix_rt::test]
async fn a_worker_passes_over_no_job() {
    let base = Database::alone(&["fsync=off", "track_functions=pl"]).await;
    let (bus, queue) = (EventBus::default(), base.tasks().await.unwrap());
    let done = Rc::<RefCell<BTreeSet<u64>>>::default();
    let noted = done.clone();
    let does = async move |number: Arc<Number>, attempt: Attempt| {
        if number.id % 7 == 3 && attempt.number() < 3 {
            return Err(Fault::new("not yet"));
        }
        noted.borrow_mut().insert(number.id);
        Ok(())
    };
    let tasks = Tasks::new(base.database(), &bus).concurrency(8).on(does).unwrap().await.unwrap();
    let idle = keep_vacuum_back(&base).await;
    let mut next = 0;
    let mut some = |count: u64| {
        next += count;
        (next - count..next).map(|id| Number { id })
    };
    let calls =
        "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions WHERE funcname = 'convoke_job_fresh_1'";
    let mut enqueued = 0;
    while base.number(calls).await < 20 {
        assert!(enqueued < 100_000, "there is no floor");
        let _ = queue.enqueue_all(some(500)).await.unwrap();
        enqueued += 500;
        until("all is done", async || done.borrow().len() == enqueued).await;
    }
    for round in 0..12 {
        let mut late = base.begin().await;
        let _ = queue.enqueue_all(some(3)).priority(9).within(&mut late).await.unwrap();
        let _ = queue.enqueue_all(some(3)).within(&mut late).await.unwrap();
        let _ = queue.enqueue_all(some(3)).priority(-9).within(&mut late).await.unwrap();
        let _ = queue.enqueue_all(some(3)).after(Duration::from_millis(50)).within(&mut late).await.unwrap();
        // The floor rises meanwhile, as others are done.
        for _ in 0..4 {
            let _ = queue.enqueue_all(some(100)).priority(round % 19 - 9).await.unwrap();
            enqueued += 100;
            until("others are done", async || done.borrow().len() == enqueued).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        late.commit().await.unwrap();
        enqueued += 12;
        until("what has committed late is done", async || done.borrow().len() == enqueued).await;
    }
    println!("figure: {enqueued} jobs while vacuum is kept back, {} looks above a floor", base.number(calls).await);
    assert_eq!(queue.figures().await.unwrap().waiting, 0);
    tasks.stop().await;
    drop(idle);
}
