//! What a worker weighs where a million jobs wait, less what it weighs where only those wait that it does.
//!
//! `parent ── fills two databases, starts itself for each ──> a fresh process: so many jobs, its memory then ──> parent`

use std::process::Stdio;

use convoke::transport::{PostgresDatabase, SqliteDatabase};
use tokio::process::Command;

use super::ours::{How, Kept, Noop, begin, settled};
use super::place::{Place, SQLITE};
use super::{Work, middle};
use crate::events::memory::written_memory;
use crate::harness::{Failure, Plan};
use crate::transports::servers::Server;

/// How many are done before it is weighed.
const DONE: usize = 5_000;

/// A worker does some more until it stops.
const BEYOND: usize = 2_000;

/// How many wait, as a multiple of the jobs of a sample.
const TIMES: usize = 200;

const HOW: How = How { concurrency: None, gather: None, keys: None };

/// The name of the subject that the fresh process is given.
const HERE: &str = "tasks-memory-here";

pub(super) async fn run(work: &Work<'_>, database: &'static str, server: &Server) -> Result<(), Failure> {
    let many = work.jobs() * TIMES;
    work.head(database, "what a worker weighs, in MiB");
    let mut weights = [0.0; 2];
    for (at, waiting) in [0, many].into_iter().enumerate() {
        let place = Place::new(database, server, &format!("memory_{at}")).await?;
        fill(&place, waiting + (DONE + BEYOND) * work.samples()).await?;
        let mut sizes = Vec::new();
        for _ in 0..work.samples() {
            sizes.push(std::time::Duration::from_nanos(weigh(&place).await?));
        }
        weights[at] = middle(sizes.into_iter()) * 1e9 / f64::from(1 << 20);
        place.remove().await?;
        let (who, more) = (format!("convoke, {} wait", crate::report::thousands(waiting)), weights[at] - weights[0]);
        if work.json {
            println!(
                r#"{{"work": "tasks-memory", "database": "{database}", "contestant": "convoke", "n": {waiting}, "mib": {:.2}, "more_mib": {more:.2}}}"#,
                weights[at]
            );
        } else {
            println!("{who:<46}{:>8.1} MiB{more:>+9.1} MiB", weights[at]);
        }
    }
    Ok(())
}

async fn fill(place: &Place<'_>, count: usize) -> Result<(), Failure> {
    async fn filled<D: Kept>(url: &str, count: usize) -> Result<(), Failure> {
        let queue = D::opened(url).await?.queue().await?;
        for from in (0..count).step_by(1_000) {
            let tasks = (from..count.min(from + 1_000)).map(|_| Noop { text: "x".to_owned() });
            drop(queue.enqueue_all(tasks).await?);
        }
        Ok(())
    }
    if place.database == SQLITE {
        return filled::<SqliteDatabase>(&place.url, count).await;
    }
    filled::<PostgresDatabase>(&place.url, count).await
}

/// Has a fresh process do some, and returns how many bytes it has written to.
async fn weigh(place: &Place<'_>) -> Result<u64, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([HERE, "--only", &place.url]).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().parse().map_err(|_| "its process gave no weight")?)
}

/// What the fresh process does, with the database that the plan names.
pub(crate) fn here(plan: &Plan) -> Result<(), Failure> {
    let url = plan.only.as_deref().ok_or("--only names the database")?;
    actix::System::new().block_on(async {
        let bytes = match url.starts_with("postgres") {
            true => done::<PostgresDatabase>(url).await?,
            false => done::<SqliteDatabase>(url).await?,
        };
        println!("{bytes}");
        Ok(())
    })
}

async fn done<D: Kept>(url: &str) -> Result<u64, Failure> {
    let database = D::opened(url).await?;
    let tasks = begin(&database, HOW).await?;
    settled(&tasks, DONE).await?;
    let bytes = written_memory()?;
    tasks.stop().await;
    Ok(bytes)
}
