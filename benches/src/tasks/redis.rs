//! Jobs over Redis, where there is no transaction: a drain of those who keep jobs there, and the bare client.

use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::Redis;
use convoke::{TaskSender, Tasks};
use tokio::time::{sleep, timeout};

use super::ours::{self, Noop};
use super::{DEADLINE, Drained, Line, Work, middle, peers};
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::transports::{apalis, drain, redis, servers};

const REDIS: &str = "redis";

/// How many wait, in the drains of the subject "transports" too.
const JOBS: usize = drain::WAITING;

pub(super) async fn run(work: &Work<'_>) -> Result<(), Failure> {
    let server = match servers::redis().await {
        Ok(server) => server,
        Err(missing) => {
            work.missing(REDIS, &missing);
            return Ok(());
        }
    };
    work.head(REDIS, "jobs that do nothing; µs of CPU for each, of the worker; how many a second");
    let names = [
        "convoke, 1 at a time",
        "convoke, 16 at a time",
        "bare client, a stream in batches of 100",
        "apalis, 1 at a time",
        "apalis, 16 at a time",
        "bullmq, 1 at a time",
        "bullmq, 16 at a time",
        "celery solo, 1 at a time",
        "celery, 16 threads",
    ];
    let mut samples: Vec<Vec<Drained>> = names.iter().map(|_| Vec::new()).collect();
    let mut gone = vec![None; names.len()];
    for sample in 0..work.samples() {
        for turn in 0..names.len() {
            let at = (turn + sample) % names.len();
            if gone[at].is_some() {
                continue;
            }
            let name = format!("bench-{}-{sample}-{at}", std::process::id());
            let drained = match at {
                0 | 1 => {
                    Ok(convoke(&server.url, &name, [1, 16][at]).await.map_err(|error| format!("convoke: {error}"))?)
                }
                2 => bare(&server.url, &name).await,
                3 | 4 => apalis::drain(&server.url, &name, [1, 16][at - 3]).await.map(Drained::from),
                5 | 6 => bullmq(&server.url, [1, 16][at - 5]).await,
                _ => celery(&server.url, [1, 16][at - 7]).await,
            };
            match drained {
                Ok(drained) => samples[at].push(drained),
                Err(failure) => gone[at] = Some(failure.to_string()),
            }
        }
    }
    let jobs = JOBS as f64;
    let per_second = |samples: &[Drained]| jobs / middle(samples.iter().map(|drained| drained.wall));
    for (at, ((name, drained), gone)) in names.iter().zip(&samples).zip(&gone).enumerate() {
        if let Some(why) = gone {
            work.missing(name, why);
            continue;
        }
        // Each beside ours of as many at a time; the bare client beside that of 16.
        let beside = if at == 2 { 1 } else { (at + 1) % 2 };
        work.print(&Line {
            work: "redis",
            database: REDIS,
            contestant: name,
            n: JOBS,
            cpu: middle(drained.iter().map(|drained| drained.cpu)) / jobs,
            server: None,
            per_second: per_second(drained),
            ratio: (at > 1).then(|| per_second(&samples[beside]) / per_second(drained)),
            asked: None,
        });
    }
    Ok(())
}

/// Each job ends with an event, which another queue has confirmed before the first is told.
async fn convoke(url: &str, name: &str, concurrency: usize) -> Result<Drained, Failure> {
    let queue = Redis::stream(name).at(url).create_if_missing().await?;
    let events = Redis::stream(format!("{name}-done")).at(url).create_if_missing().await?;
    for taken in TaskSender::to(&queue).enqueue_all((0..JOBS).map(|_| Noop::new())).await {
        taken?;
    }
    let (start, cpu) = (Instant::now(), process_cpu_time());
    let tasks = Tasks::over(&queue, &EventBus::default()).on(ours::noop)?.events_to(events).concurrency(concurrency);
    let tasks = tasks.await?;
    let all = async {
        while tasks.report().done < JOBS as u64 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, all).await.map_err(|_| format!("the worker hangs: {}", tasks.health()))?;
    let (wall, cpu) = (start.elapsed(), process_cpu_time() - cpu);
    tasks.stop().await?;
    Ok(Drained { wall, cpu, server: None })
}

/// Reads, decodes and acknowledges what is in a stream.
async fn bare(url: &str, name: &str) -> Result<Drained, Failure> {
    let mut bare = redis::bare(url, name, 100).await?;
    bare.publish(&crate::transports::contestant::Message::new(), JOBS).await?;
    let (start, cpu) = (Instant::now(), process_cpu_time());
    bare.consume(JOBS).await?;
    Ok(Drained { wall: start.elapsed(), cpu: process_cpu_time() - cpu, server: None })
}

async fn bullmq(url: &str, concurrency: usize) -> Result<Drained, Failure> {
    Ok(drain::bullmq_of(&peers::BULLMQ.folder().await?, url, concurrency).await?.into())
}

async fn celery(url: &str, concurrency: usize) -> Result<Drained, Failure> {
    let python = peers::CELERY.folder().await?.join("bin/python");
    Ok(drain::celery_of(&python, url, concurrency).await?.into())
}

impl From<drain::Drained> for Drained {
    fn from(drained: drain::Drained) -> Self {
        Self { wall: drained.wall, cpu: drained.cpu, server: None }
    }
}
