//! The worker of apalis over either database.
//!
//! `push_all → SqliteStorage | PostgresStorage → Worker → a function that does nothing → no row that is not done`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, Data, TaskBuilder, TaskSink, WorkerBuilder};
use apalis_postgres::{PgPool, PostgresStorage};
use apalis_sqlite::{SqlitePool, SqliteStorage};
use futures::stream;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::Drained;
use super::place::{Place, SQLITE};
use crate::figure::process_cpu_time;
use crate::harness::Failure;

/// A payload of 1 KiB, as JSON.
#[derive(Debug, Deserialize, Serialize)]
struct Noop {
    text: String,
}

#[derive(Clone, Debug, Default)]
struct Heard(Arc<(AtomicUsize, Notify)>);

async fn hear(_: Noop, heard: Data<Heard>) -> Result<(), BoxDynError> {
    heard.0.0.fetch_add(1, Ordering::Relaxed);
    heard.0.1.notify_one();
    Ok(())
}

async fn sqlite(url: &str) -> Result<SqlitePool, Failure> {
    let options = SqliteConnectOptions::new().filename(url).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    Ok(SqlitePool::connect_with(options.busy_timeout(Duration::from_secs(5))).await?)
}

/// Enqueues so many.
pub(super) async fn fill(place: &Place<'_>, count: usize) -> Result<(), Failure> {
    let noop = || TaskBuilder::new(Noop { text: "x".repeat(1024 - 11) }).build();
    let mut tasks = stream::iter((0..count).map(|_| noop()));
    if place.database == SQLITE {
        let pool = sqlite(&place.url).await?;
        SqliteStorage::setup(&pool).await?;
        let pushed = SqliteStorage::<Noop>::new(&pool).push_all(&mut tasks).await;
        pushed.map_err(|error| format!("{error:?}"))?;
        pool.close().await;
        return Ok(());
    }
    let pool = PgPool::connect(&place.url).await?;
    PostgresStorage::setup(&pool).await?;
    let pushed = PostgresStorage::<Noop>::new(&pool).push_all(&mut tasks).await;
    pushed.map_err(|error| format!("{error:?}"))?;
    pool.close().await;
    Ok(())
}

/// Does all of them, with batches of this size, or of the one that it has by default where that is 0.
pub(super) async fn drain(
    place: &Place<'_>,
    concurrency: usize,
    batch: usize,
    count: usize,
) -> Result<Drained, Failure> {
    let heard = Heard::default();
    macro_rules! drained {
        ($pool:expr, $storage:expr, $config:expr, $left:expr) => {{
            let pool = $pool;
            let config = $config;
            let config = if batch > 0 { config.batch_size(batch) } else { config };
            let backend = $storage(&pool).with_config(config);
            let worker =
                WorkerBuilder::new("noop").backend(backend).concurrency(concurrency).data(heard.clone()).build(hear);
            let begun = (Instant::now(), process_cpu_time(), place.server_cpu());
            let all = async {
                while heard.0.0.load(Ordering::Relaxed) < count {
                    heard.0.1.notified().await;
                }
                while sqlx::query_scalar::<_, bool>($left).fetch_one(&pool).await? {
                    sleep(Duration::from_millis(1)).await;
                }
                let took = (begun.0.elapsed(), process_cpu_time() - begun.1);
                let server = place.server_cpu().zip(begun.2).map(|(now, before)| now.saturating_sub(before));
                Ok::<_, Failure>(Drained { wall: took.0, cpu: took.1, server })
            };
            let drained = tokio::select! {
                ended = worker.run() => Err(format!("apalis has ended: {ended:?}").into()),
                drained = all => drained,
            };
            pool.close().await;
            drained
        }};
    }
    if place.database == SQLITE {
        let left = "SELECT EXISTS (SELECT 1 FROM Jobs WHERE status <> 'Done')";
        let config = apalis_sqlite::Config::default().queue(queue());
        return drained!(sqlite(&place.url).await?, SqliteStorage::<Noop>::new, config, left);
    }
    let left = "SELECT EXISTS (SELECT 1 FROM apalis.jobs WHERE status <> 'Done')";
    let config = apalis_postgres::Config::default().queue(queue());
    drained!(PgPool::connect(&place.url).await?, PostgresStorage::<Noop>::new, config, left)
}

/// By default the queue has the name of the type.
fn queue() -> &'static str {
    std::any::type_name::<Noop>()
}
