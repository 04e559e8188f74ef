//! The subject "store": how many events are appended and read again, beside SQL that one writes by hand for the same client, with
//! the same promise of positions, and three libraries: eventsourcing (Python), emmett (TypeScript) and cqrs-es (Rust).
//!
//! ```text
//! ours.rs      Store::append, append_all, read, when(nothing_since(…))
//! by_hand.rs   one statement that draws the positions and inserts; SELECT of the next 1,000
//! peers.rs     eventsourcing_store.py, emmett_store.mjs, and benches/cqrs-es, each a process
//! ```
//!
//! Events are of 1 KiB. Each contestant has a table of its own in the same server. A server that is missing is a line that says
//! so, and no failure.

mod by_hand;
mod ours;
mod peers;

use std::time::{Duration, Instant};

use crate::figure::process_cpu_time;
use crate::harness::{Failure, Plan, quantile};
use crate::report::thousands;
use crate::transports::servers;

/// Events of a sample that are appended one by one, and in hundreds.
const SINGLE: usize = 20_000;
const MANY: usize = 20_000;

/// How many append at once.
const WRITERS: usize = 16;

/// Of how many events the aggregate is, which commands are about.
const COMMANDS: usize = 1_000;

const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// What each does, and in which order.
const WORKS: [&str; 6] = [
    "append one by one",
    "append in hundreds",
    "append, 16 writers",
    "read all, pages of 1,000",
    "read one of 200 entities",
    "commands to one aggregate",
];

/// What is found out of one contestant: for each work how long each unit took, in seconds of the wall and of the process.
type Sample = [Option<(f64, f64)>; 6];

/// Where, and by which name that nobody else has.
pub(super) struct Place<'a> {
    pub(super) database: &'static str,
    pub(super) url: &'a str,
    pub(super) name: String,
    pub(super) single: usize,
    pub(super) many: usize,
}

/// Measures what the plan asks for, and prints it database by database. `--only` names one of them, `--n` how many events are
/// appended in hundreds.
///
/// # Errors
///
/// If one of them does not do its work. A server that is missing is none.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<(), Failure> {
    let asked = |name: &&str| plan.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if !json {
        println!(
            "store: events of 1 KiB (median of {}), µs of CPU of this process for each, how many a second, and\nhow many times as many ours does as this one\n",
            plan.samples
        );
    }
    actix::System::new().block_on(async {
        for database in DATABASES.into_iter().filter(asked) {
            let server = match database {
                "postgres" => servers::postgres().await,
                _ => servers::file(),
            };
            match server {
                Ok(server) => measure(database, &server.url, plan, json).await?,
                Err(missing) => println!("{database:<10}skipped: {missing}"),
            }
        }
        Ok(())
    })
}

async fn measure(database: &'static str, url: &str, plan: &Plan, json: bool) -> Result<(), Failure> {
    let many = plan.n.unwrap_or(MANY).div_ceil(100) * 100;
    let single = SINGLE.min(many);
    let peers = peers::over(database);
    let mut contestants = vec![("convoke", Vec::new()), ("by hand", Vec::new())];
    contestants.extend(peers.iter().map(|peer| (peer.name, Vec::new())));
    for sample in 0..plan.samples {
        let place = |who: &str| {
            let name = format!("bench_{}_{sample}_{who}", std::process::id());
            Place { database, url, name, single, many }
        };
        contestants[0].1.push(ours::sample(&place("ours")).await?);
        contestants[1].1.push(by_hand::sample(&place("hand")).await?);
        for (peer, (name, samples)) in peers.iter().zip(&mut contestants[2..]) {
            match peer.sample(&place(name)).await {
                Ok(of_peer) => samples.push(of_peer),
                Err(missing) if sample == 0 => println!("{missing}"),
                Err(_) => {}
            }
        }
    }
    for (work, name) in WORKS.iter().enumerate() {
        let ours = middle(&contestants[0].1, work).map(|(wall, _)| wall);
        for (who, samples) in &contestants {
            if let Some((wall, cpu)) = middle(samples, work) {
                line(database, name, who, wall, cpu, ours, json);
            }
        }
    }
    Ok(())
}

fn middle(samples: &[Sample], work: usize) -> Option<(f64, f64)> {
    let mut walls: Vec<_> = samples.iter().filter_map(|sample| sample[work]).map(|(wall, _)| wall).collect();
    let mut cpus: Vec<_> = samples.iter().filter_map(|sample| sample[work]).map(|(_, cpu)| cpu).collect();
    if walls.is_empty() {
        return None;
    }
    walls.sort_by(f64::total_cmp);
    cpus.sort_by(f64::total_cmp);
    Some((quantile(&walls, 0.5), quantile(&cpus, 0.5)))
}

fn line(database: &str, work: &str, who: &str, wall: f64, cpu: f64, ours: Option<f64>, json: bool) {
    let (per_second, cpu) = (1.0 / wall, cpu * 1e6);
    if json {
        println!(
            r#"{{"work": "store, {work}", "database": "{database}", "contestant": "{who}", "cpu_us": {cpu:.2}, "per_second": {per_second:.0}}}"#
        );
        return;
    }
    let ratio = match ours {
        Some(ours) if who != "convoke" => format!("{:.2}×", wall / ours),
        _ => "-".to_owned(),
    };
    println!("{database:<10}{work:<28}{who:<16}{cpu:>9.2} µs{:>12}/s{ratio:>9}", thousands(per_second as usize));
}

/// What a work costs for each of `count`.
pub(super) async fn timed<T>(
    count: usize,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<Option<(f64, f64)>, Failure> {
    let (start, before) = (Instant::now(), process_cpu_time());
    work.await?;
    let (wall, cpu) = (start.elapsed(), process_cpu_time() - before);
    let of_one = |time: Duration| time.as_secs_f64() / count as f64;
    Ok(Some((of_one(wall), of_one(cpu))))
}

/// The text that makes an event 1 KiB.
pub(super) fn text() -> String {
    "x".repeat(600)
}

pub(super) const fn writers() -> usize {
    WRITERS
}

pub(super) const fn commands() -> usize {
    COMMANDS
}
