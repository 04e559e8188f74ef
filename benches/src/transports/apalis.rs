//! The worker of apalis, which drains a list of Redis.
//!
//! `push 5,000 → RedisStorage → Worker → a function that does nothing`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, Data, TaskSink, WorkerBuilder};
use apalis_redis::{Config, RedisStorage};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::drain::{DEADLINE, Drained, WAITING};
use crate::figure::process_cpu_time;
use crate::harness::Failure;

/// A payload of 1 KiB, as JSON.
#[derive(Debug, Deserialize, Serialize)]
struct Task {
    text: String,
}

#[derive(Clone, Debug, Default)]
struct Heard(Arc<(AtomicUsize, Notify)>);

async fn hear(_: Task, heard: Data<Heard>) -> Result<(), BoxDynError> {
    let (count, all) = &*heard.0.0;
    if count.fetch_add(1, Ordering::Relaxed) + 1 == WAITING {
        all.notify_one();
    }
    Ok(())
}

/// Fills a list and has its worker drain it.
pub(crate) async fn drain(url: &str, name: &str, concurrency: usize) -> Result<Drained, Failure> {
    let connection = apalis_redis::connect(url).await?;
    let mut storage = RedisStorage::new(connection).with_config(Config::default().queue(name));
    for _ in 0..WAITING {
        storage.push(Task { text: "x".repeat(1024 - 11) }).await.map_err(|error| format!("{error:?}"))?;
    }
    let heard = Heard::default();
    let worker = WorkerBuilder::new(name).backend(storage).concurrency(concurrency).data(heard.clone()).build(hear);
    let (start, cpu) = (Instant::now(), process_cpu_time());
    let all = async {
        tokio::select! {
            _ = worker.run() => Err("apalis has ended"),
            () = heard.0.1.notified() => Ok(()),
        }
    };
    timeout(DEADLINE, all).await.map_err(|_| "apalis hangs")??;
    Ok(Drained { wall: start.elapsed(), cpu: process_cpu_time() - cpu, memory: None, asked: None })
}
