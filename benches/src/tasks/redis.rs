//! Jobs over Redis, where there is no transaction: a drain of those who keep jobs there, and the bare client.

use super::{Drained, Line, Work, middle, peers};
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
                0 => bare(&server.url, &name).await,
                1 | 2 => apalis::drain(&server.url, &name, [1, 16][at - 1]).await.map(Drained::from),
                3 | 4 => bullmq(&server.url, [1, 16][at - 3]).await,
                _ => celery(&server.url, [1, 16][at - 5]).await,
            };
            match drained {
                Ok(drained) => samples[at].push(drained),
                Err(failure) => gone[at] = Some(failure.to_string()),
            }
        }
    }
    for ((name, samples), gone) in names.iter().zip(&samples).zip(&gone) {
        if let Some(why) = gone {
            work.missing(name, why);
            continue;
        }
        let jobs = JOBS as f64;
        work.print(&Line {
            work: "redis",
            database: REDIS,
            contestant: name,
            n: JOBS,
            cpu: middle(samples.iter().map(|drained| drained.cpu)) / jobs,
            server: None,
            per_second: jobs / middle(samples.iter().map(|drained| drained.wall)),
            ratio: None,
            asked: None,
        });
    }
    Ok(())
}

/// Reads, decodes and acknowledges what is in a stream.
async fn bare(url: &str, name: &str) -> Result<Drained, Failure> {
    let mut bare = redis::bare(url, name, 100).await?;
    bare.publish(&crate::transports::contestant::Message::new(), JOBS).await?;
    let (start, cpu) = (std::time::Instant::now(), crate::figure::process_cpu_time());
    bare.consume(JOBS).await?;
    Ok(Drained { wall: start.elapsed(), cpu: crate::figure::process_cpu_time() - cpu, server: None })
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
