//! Deliveries into a listener that does nothing: a worker drains what waits, beside Celery and BullMQ over the same server.
//!
//! ```text
//! publish 5,000 ── Worker, with its defaults ──> bus ──> listener    wall clock from its start to its drain
//! celery.py: publish 5,000 ── celery worker --pool solo ──> task     wall clock from the first task to the last
//! bullmq.js: add 5,000 ── Worker ──> a function                      wall clock from its start to the last job
//! ```

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Publisher, Source};
use convoke::{EventBus, Worker};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::contestant::{Message, batches};
use crate::figure::process_cpu_time;
use crate::harness::Failure;

/// How many wait.
pub(crate) const WAITING: usize = 5_000;

const BATCH: usize = 100;

/// After so long without an end something hangs.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// What a drain took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    pub(crate) wall: Duration,
    /// Of the process that works.
    pub(crate) cpu: Duration,
    /// The memory that it holds before and at the end, in bytes.
    pub(crate) memory: Option<(u64, u64)>,
    /// Commits and round trips for each message, if they were counted.
    pub(crate) asked: Option<(f64, f64)>,
}

/// Fills the queue and has a worker drain it.
pub(super) async fn ours(
    publisher: impl Publisher,
    source: impl Source,
    concurrency: usize,
) -> Result<Drained, Failure> {
    fill(&publisher).await?;
    emptied(source, concurrency).await
}

pub(super) async fn fill(publisher: &impl Publisher) -> Result<(), Failure> {
    let message = Message::new();
    for size in batches(WAITING, BATCH) {
        for taken in publisher.publish(&message.packets(size)).await {
            taken?;
        }
    }
    Ok(())
}

/// Has a worker drain what waits.
pub(super) async fn emptied(source: impl Source, concurrency: usize) -> Result<Drained, Failure> {
    let bus = EventBus::default();
    let (heard, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let _listener = bus.on_topic("**", {
        let all = all.clone();
        move |_: &JsonEvent| {
            if heard.fetch_add(1, Ordering::Relaxed) + 1 == WAITING {
                all.notify_one();
            }
        }
    })?;
    let (idle, start, cpu) = (memory(), Instant::now(), process_cpu_time());
    let worker = Worker::new(source, &bus).concurrency(concurrency).start().await?;
    timeout(DEADLINE, all.notified()).await.map_err(|_| "the worker hangs")?;
    let loaded = memory();
    let report = worker.drain().await?;
    let drained =
        Drained { wall: start.elapsed(), cpu: process_cpu_time() - cpu, memory: idle.zip(loaded), asked: None };
    if report.done < WAITING as u64 { Err("not all was acknowledged".into()) } else { Ok(drained) }
}

/// The memory that is resident, if the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Has Celery do the same: the Python that has it is named by `CONVOKE_CELERY`.
pub(super) async fn celery(url: &str) -> Result<Drained, Failure> {
    let python = std::env::var("CONVOKE_CELERY")
        .map_err(|_| "set CONVOKE_CELERY to a Python that has it: pip install 'celery[redis]' in a venv")?;
    celery_of(Path::new(&python), url, 1).await
}

/// The same by this Python, so many at a time.
pub(crate) async fn celery_of(python: &Path, url: &str, concurrency: usize) -> Result<Drained, Failure> {
    let mut command = tokio::process::Command::from(Command::new(python));
    command.arg("-c").arg(include_str!("celery.py")).args([url, &WAITING.to_string(), &concurrency.to_string()]);
    figure(command, "Celery").await
}

/// Has BullMQ do the same: the folder that has it is named by `CONVOKE_BULLMQ`.
pub(super) async fn bullmq(url: &str, concurrency: usize) -> Result<Drained, Failure> {
    let folder = std::env::var("CONVOKE_BULLMQ")
        .map_err(|_| "set CONVOKE_BULLMQ to a folder that has it: npm install bullmq@6.7.0 ioredis@6.0.0")?;
    bullmq_of(Path::new(&folder), url, concurrency).await
}

/// The same from this folder.
pub(crate) async fn bullmq_of(folder: &Path, url: &str, concurrency: usize) -> Result<Drained, Failure> {
    let mut command = tokio::process::Command::from(Command::new("node"));
    command.current_dir(folder).arg("-e").arg(include_str!("bullmq.js"));
    command.args([url, &WAITING.to_string(), &concurrency.to_string()]);
    figure(command, "BullMQ").await
}

/// What another program says that its drain took.
pub(crate) async fn figure(mut command: tokio::process::Command, name: &str) -> Result<Drained, Failure> {
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.map_err(|_| format!("{name} hangs"))??;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find_map(|line| line.strip_prefix("figure: "));
    let line = line.ok_or_else(|| format!("{name} has no figure"))?;
    let mut numbers = line.split_whitespace().map(str::parse::<f64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(wall)), Some(Ok(cpu))) => Ok(Drained {
            wall: Duration::from_secs_f64(wall),
            cpu: Duration::from_secs_f64(cpu),
            memory: None,
            asked: None,
        }),
        _ => Err(format!("{name}'s figure is none").into()),
    }
}
