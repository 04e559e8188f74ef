//! What it costs to enqueue: one by one, each in a transaction of the application, and a thousand in one; beside an INSERT of the
//! same rows into the same table, by hand.
//!
//! Both write into one table, turn by turn, so that it is as large for one as for the other.

use std::time::{Duration, Instant};

use convoke::TaskQueue;
use convoke::transport::{PostgresDatabase, SqliteDatabase};
use sqlx::AssertSqlSafe;

use super::ours::{Kept, Noop};
use super::place::{Place, SQLITE};
use super::{Drained, Line, Work, middle};
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::transports::servers::Server;

/// How often each has its turn in a sample.
const TURNS: usize = 10;

/// How many are enqueued in a turn one by one, and at once.
const SINGLE: usize = 100;
const MANY: usize = 1_000;

/// What is bound for each row is what differs.
const COLUMNS: &str = "lane, state, rank, due, at, attempts, hold, queue, task, payload";

/// How many rows one statement of SQLite has.
const ROWS: usize = 50;

/// Who enqueues by hand.
trait ByHand: Kept {
    async fn insert(&self, count: usize) -> Result<(), Failure>;
}

impl ByHand for SqliteDatabase {
    async fn insert(&self, count: usize) -> Result<(), Failure> {
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_millis())?;
        let mut transaction = self.begin().await?;
        for from in (0..count).step_by(ROWS) {
            let rows = ROWS.min(count - from);
            let row = |number: usize| format!("(7, 0, ?1, ?1, ?1, 15, 0, 'default', 'Noop', ?{})", number + 2);
            let values: Vec<_> = (0..rows).map(row).collect();
            let sql = format!("INSERT INTO convoke_job ({COLUMNS}) VALUES {}", values.join(", "));
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(now);
            for _ in 0..rows {
                query = query.bind(serde_json::to_vec(&Noop::new())?);
            }
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

impl ByHand for PostgresDatabase {
    async fn insert(&self, count: usize) -> Result<(), Failure> {
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_micros())?;
        let mut transaction = self.begin().await?;
        if count == 1 {
            let sql = format!(
                "INSERT INTO convoke_job ({COLUMNS}) VALUES (7, 0, $1, $1, $1, 15, 0, 'default', 'Noop', $2) RETURNING id"
            );
            let insert = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(now);
            insert.bind(serde_json::to_string(&Noop::new())?).fetch_one(&mut *transaction).await?;
        } else {
            let sql = format!(
                "INSERT INTO convoke_job ({COLUMNS}) SELECT 7, 0, $1, $1, $1, 15, 0, 'default', 'Noop', unnest($2::text[]) RETURNING id"
            );
            let payloads: Result<Vec<_>, _> = (0..count).map(|_| serde_json::to_string(&Noop::new())).collect();
            let insert = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(now).bind(payloads?);
            insert.fetch_all(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

pub(super) async fn run(work: &Work<'_>, database: &'static str, server: &Server) -> Result<(), Failure> {
    work.head(
        database,
        "enqueued, and the same INSERT by hand; the ratio is how many times as many a second ours does as that",
    );
    let (mut ours, mut hand) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for sample in 0..work.samples() {
        let place = Place::new(database, server, &format!("enqueue_{sample}")).await?;
        let [a, b] = if database == SQLITE {
            sampled::<SqliteDatabase>(&place).await?
        } else {
            sampled::<PostgresDatabase>(&place).await?
        };
        for (at, (ours_one, hand_one)) in a.into_iter().zip(b).enumerate() {
            ours[at].push(ours_one);
            hand[at].push(hand_one);
        }
        place.remove().await?;
    }
    for (at, (what, count)) in [("one in a transaction", SINGLE), ("1,000 at once", MANY)].into_iter().enumerate() {
        let count = count * TURNS;
        let wall = |drained: &[Drained]| middle(drained.iter().map(|drained| drained.wall));
        let ratio = wall(&hand[at]) / wall(&ours[at]);
        for (who, samples, ratio) in [("convoke", &ours[at], None), ("by hand", &hand[at], Some(ratio))] {
            let servers = samples.iter().map(|drained| drained.server).collect::<Option<Vec<_>>>();
            work.print(&Line {
                work: "enqueue",
                database,
                contestant: &format!("{who}, {what}"),
                n: count,
                cpu: middle(samples.iter().map(|drained| drained.cpu)) / count as f64,
                server: servers.map(|times| middle(times.into_iter()) / count as f64),
                per_second: count as f64 / wall(samples),
                ratio,
                asked: None,
            });
        }
    }
    Ok(())
}

/// Ours and the other, each one by one and at once.
async fn sampled<D: ByHand>(place: &Place<'_>) -> Result<[[Drained; 2]; 2], Failure> {
    let database = D::opened(&place.url).await?;
    let queue = database.queue().await?;
    // Connections are open then, and statements known.
    for count in [1, MANY] {
        ours(&database, &queue, count).await?;
        database.insert(count).await?;
    }
    let none =
        Drained { wall: Duration::ZERO, cpu: Duration::ZERO, server: place.server_cpu().map(|_| Duration::ZERO) };
    let mut sums = [[none; 2]; 2];
    for turn in 0..TURNS {
        for who in [turn % 2, 1 - turn % 2] {
            for (sum, (times, count)) in sums[who].iter_mut().zip([(SINGLE, 1), (1, MANY)]) {
                let (start, cpu, server) = (Instant::now(), process_cpu_time(), place.server_cpu());
                for _ in 0..times {
                    if who == 0 { ours(&database, &queue, count).await? } else { database.insert(count).await? }
                }
                sum.wall += start.elapsed();
                sum.cpu += process_cpu_time() - cpu;
                let took = place.server_cpu().zip(server).map(|(now, before)| now.saturating_sub(before));
                sum.server = sum.server.zip(took).map(|(sum, took)| sum + took);
            }
        }
    }
    Ok(sums)
}

async fn ours<D: Kept>(database: &D, queue: &TaskQueue<D>, count: usize) -> Result<(), Failure> {
    database.enqueue_within(queue, (0..count).map(|_| Noop::new()).collect()).await
}
