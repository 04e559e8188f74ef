//! The subject "tasks": how many jobs a worker does in a second and what one costs, beside SQL that one writes by hand for the same
//! client and beside others who keep jobs in the same database; and what enqueuing, waiting jobs, and idle workers cost.
//!
//! ```text
//! drain.rs     5,000 jobs of 1 KiB that do nothing, until each has ended with its event     tasks-drain
//! enqueue.rs   one by one in a transaction of the user's, and a thousand at once            tasks-enqueue
//! idle.rs      from the call that enqueues until the function runs                          tasks-idle
//! flat.rs      a job where many others wait, are done, or are not due                       tasks-flat
//! memory.rs    what a worker weighs where a million wait                                    tasks-memory
//! redis.rs     a drain over Redis, where there are no transactions                          tasks-redis
//!
//! ours.rs, by_hand.rs, peers.rs                who does it
//! place.rs                                     a database for each sample
//! ```
//!
//! Contestants take turns, sample by sample. Each has a database of its own on the same server, which is filled before the time
//! is taken. CPU time is that of the process that works, and beside it that of the server. A server or a peer that is missing is a
//! line that says so, and no failure.

mod by_hand;
mod drain;
mod enqueue;
mod flat;
mod idle;
mod memory;
mod ours;
mod peers;
pub(crate) mod place;
mod redis;

use std::time::Duration;

use crate::harness::{Failure, Plan, quantile};
use crate::report::thousands;
use place::DATABASES;

pub(crate) use memory::here as memory_here;

/// Jobs in a sample.
const JOBS: usize = 5_000;

/// Samples of which the median is taken; a plan that says nothing else has more, for works that take some milliseconds.
const SAMPLES: usize = 3;

/// After so long something hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is measured, by the name behind `tasks-`.
pub(crate) const PARTS: [&str; 6] = ["drain", "enqueue", "idle", "flat", "memory", "redis"];

/// What a drain took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drained {
    wall: Duration,
    /// Of the process that works.
    cpu: Duration,
    /// Of the server, if it is another and one of ours.
    server: Option<Duration>,
}

/// Measures what the plan asks for, and prints it database by database. `--only` names one of them, `--n` how many jobs a sample
/// has.
///
/// # Errors
///
/// If ours does not do its work. A server or a peer that is missing is none.
pub(crate) fn run(part: Option<&str>, plan: &Plan, json: bool) -> Result<(), Failure> {
    let asked = |name: &str| plan.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let parts: Vec<_> = PARTS.into_iter().filter(|name| part.is_none_or(|part| part == *name)).collect();
    let work = Work { plan, json };
    actix::System::new().block_on(async {
        for database in DATABASES.into_iter().filter(|database| asked(database)) {
            let server = match place::server(database).await {
                Ok(server) => server,
                Err(missing) => {
                    work.missing(database, &missing);
                    continue;
                }
            };
            for part in &parts {
                match *part {
                    "drain" => drain::run(&work, database, &server).await?,
                    "enqueue" => enqueue::run(&work, database, &server).await?,
                    "idle" => idle::run(&work, database, &server).await?,
                    "flat" => flat::run(&work, database, &server).await?,
                    "memory" => memory::run(&work, database, &server).await?,
                    _ => {}
                }
            }
        }
        if asked("redis") && parts.contains(&"redis") {
            redis::run(&work).await?;
        }
        Ok(())
    })
}

/// What is asked for, and how it is shown.
struct Work<'a> {
    plan: &'a Plan,
    json: bool,
}

/// One line.
struct Line<'a> {
    work: &'static str,
    database: &'static str,
    contestant: &'a str,
    n: usize,
    /// Of the process that works, and of the server: of one job.
    cpu: f64,
    server: Option<f64>,
    per_second: f64,
    /// Beside ours: how many times as much that does.
    ratio: Option<f64>,
    /// Commits and round trips of one job.
    asked: Option<(f64, f64)>,
}

impl Work<'_> {
    fn samples(&self) -> usize {
        // Who asks for no number has that of other works.
        if self.plan.samples == crate::options::SAMPLES { SAMPLES } else { self.plan.samples }
    }

    fn jobs(&self) -> usize {
        self.plan.n.unwrap_or(JOBS)
    }

    /// A line over a table.
    fn head(&self, database: &str, text: &str) {
        if !self.json {
            println!("\n{database}: {text}");
        }
    }

    fn missing(&self, who: &str, why: &str) {
        if self.json {
            eprintln!("{who}: skipped: {why}");
        } else {
            println!("{who:<40}skipped: {why}");
        }
    }

    fn print(&self, line: &Line<'_>) {
        let Line { work, database, contestant, n, per_second, .. } = *line;
        let (cpu, server) = (line.cpu * 1e6, line.server.map(|server| server * 1e6));
        if self.json {
            let server = server.map(|us| format!(r#", "server_us": {us:.2}"#)).unwrap_or_default();
            let ratio = line.ratio.map(|ratio| format!(r#", "ratio": {ratio:.3}"#)).unwrap_or_default();
            let asked =
                line.asked.map(|(commits, trips)| format!(r#", "commits": {commits:.4}, "round_trips": {trips:.4}"#));
            println!(
                r#"{{"work": "tasks-{work}", "database": "{database}", "contestant": "{contestant}", "n": {n}, "cpu_us": {cpu:.2}{server}, "per_second": {per_second:.1}{ratio}{}}}"#,
                asked.unwrap_or_default()
            );
            return;
        }
        let server = server.map_or_else(String::new, |us| format!("+{us:.1}"));
        let ratio = line.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}×"));
        let asked = line.asked.map(|(commits, trips)| format!("   {commits:.3} commits, {trips:.3} round trips"));
        let second = if per_second < 100.0 { format!("{per_second:.1}") } else { thousands(per_second as usize) };
        println!("{contestant:<46}{cpu:>8.1}{server:<7} µs{second:>11}/s{ratio:>9}{}", asked.unwrap_or_default());
    }
}

/// The middle of what was measured, in seconds.
fn middle(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<_> = times.map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.5)
}
