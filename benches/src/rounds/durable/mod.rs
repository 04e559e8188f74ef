//! The subject "durable": what rounds cost whose signals are rows, beside the same rows inserted by hand.
//!
//! ```text
//! ours.rs      1,000 rounds of three parties: one signal after the other, 16 at a time, a burst of last ones, whole rounds
//! by_hand.rs   INSERT of as many rows, each in a transaction of its own, or 100 in one statement
//! peers.rs     DBOS: a workflow that receives three messages, over PostgreSQL
//! ```
//!
//! Payloads are of 32 bytes. Each sample has a database of its own. CPU time is that of this process, or of the other library's, and
//! beside it that of the server. DBOS replays code, which is another promise: a message of it is kept when it was sent, and the
//! workflow notes by itself, later, that it was received.

mod by_hand;
mod ours;
mod peers;

use std::time::Duration;

use crate::harness::{Failure, Plan, quantile};
use crate::report::thousands;
use crate::tasks::place::{self, DATABASES, Place};

/// Rounds of a sample.
const ROUNDS: usize = 1_000;

/// How many are under way at once.
const SENDERS: usize = 16;

/// Who takes part.
const PARTIES: [&str; 3] = ["legal", "finance", "chair"];

/// 32 bytes as JSON.
const PAYLOAD: &str = "012345678901234567890123456789";

/// What is found out.
#[derive(Clone, Copy, Debug)]
struct Took {
    wall: Duration,
    cpu: Duration,
    server: Option<Duration>,
    /// Of what.
    count: usize,
}

/// A row of the table.
struct Found {
    what: &'static str,
    unit: &'static str,
    ours: Vec<Took>,
    hand: Vec<Took>,
    dbos: Vec<Took>,
}

impl Found {
    fn new(what: &'static str, unit: &'static str) -> Self {
        Self { what, unit, ours: Vec::new(), hand: Vec::new(), dbos: Vec::new() }
    }
}

/// Measures what the plan asks for, and prints it database by database. `--only` names one of them, `--n` how many rounds a sample
/// has.
///
/// # Errors
///
/// If ours or another does not do its work. A server that is missing is none.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<(), Failure> {
    let asked = |name: &&str| plan.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let samples = if plan.samples == crate::options::SAMPLES { 3 } else { plan.samples };
    let rounds = plan.n.unwrap_or(ROUNDS);
    actix::System::new().block_on(async {
        for database in DATABASES.into_iter().filter(asked) {
            match place::server(database).await {
                Ok(server) => {
                    let mut found = [
                        Found::new("signals, one by one", "signal"),
                        Found::new("signals, 16 at a time", "signal"),
                        Found::new("whole rounds, 16 at a time", "round"),
                        Found::new("a burst of last signals", "round"),
                    ];
                    let (mut latencies, mut bytes) = (Vec::new(), (0.0, 0.0));
                    let dbos = peers::program().filter(|_| database == place::POSTGRES);
                    if database == place::POSTGRES && dbos.is_none() {
                        println!("{:<10}skipped: {}", "dbos", peers::MISSING);
                    }
                    for sample in 0..samples {
                        let place = Place::new(database, &server, &format!("durable_{sample}")).await?;
                        let took = ours::sample(&place, rounds, &mut latencies, &mut bytes).await?;
                        for (found, took) in found.iter_mut().zip(took) {
                            found.ours.push(took);
                        }
                        let took = by_hand::sample(&place, rounds * PARTIES.len()).await?;
                        for (found, took) in found.iter_mut().zip(took) {
                            found.hand.push(took);
                        }
                        if let Some(program) = &dbos {
                            let took = peers::sample(program, &place, rounds).await;
                            let took = took.map_err(|error| format!("dbos: {error}"))?;
                            for (found, took) in found.iter_mut().zip(took) {
                                found.dbos.push(took);
                            }
                        }
                        place.remove().await?;
                    }
                    print(database, &found, latencies, bytes, json);
                }
                Err(missing) => println!("{database:<10}skipped: {missing}"),
            }
        }
        Ok(())
    })
}

fn print(database: &str, found: &[Found], mut latencies: Vec<f64>, bytes: (f64, f64), json: bool) {
    if !json {
        println!(
            "\n{database}: rounds of {} parties; µs of CPU of this process + the server, and how many a second",
            PARTIES.len()
        );
    }
    for Found { what, unit, ours, hand, dbos } in found {
        let of = |took: &[Took]| {
            let middle = |each: &dyn Fn(&Took) -> f64| {
                let mut all: Vec<_> = took.iter().map(|took| each(took) / took.count as f64).collect();
                all.sort_by(f64::total_cmp);
                quantile(&all, 0.5)
            };
            let server = took.iter().all(|took| took.server.is_some());
            let server = server.then(|| middle(&|took| took.server.unwrap_or_default().as_secs_f64()) * 1e6);
            (middle(&|took| took.wall.as_secs_f64()), middle(&|took| took.cpu.as_secs_f64()) * 1e6, server)
        };
        for (who, took) in [("convoke", ours), ("by hand", hand), ("dbos", dbos)] {
            if took.is_empty() {
                continue;
            }
            let (wall, cpu, server) = of(took);
            let ratio = (who != "convoke").then(|| wall / of(ours).0);
            if json {
                println!(
                    r#"{{"work": "durable, {what}", "database": "{database}", "contestant": "{who}", "cpu_us": {cpu:.2}, "server_us": {:.2}, "per_second": {:.0}}}"#,
                    server.unwrap_or_default(),
                    1.0 / wall
                );
                continue;
            }
            let server = server.map_or_else(String::new, |us| format!("+{us:.1}"));
            let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}×"));
            println!(
                "{what:<30}{who:<10}{cpu:>9.1}{server:<8} µs a {unit:<7}{:>9}/s{ratio:>9}",
                thousands((1.0 / wall) as usize)
            );
        }
    }
    latencies.sort_by(f64::total_cmp);
    if !json && !latencies.is_empty() {
        let (p50, p99) = (quantile(&latencies, 0.5) * 1e3, quantile(&latencies, 0.99) * 1e3);
        println!("from the last signal until a consumer hears, 16 in flight: p50 {p50:.2} ms, p99 {p99:.2} ms");
        println!(
            "in the database: {:.0} bytes an open round with two signals, {:.0} one that is over",
            bytes.0, bytes.1
        );
    }
}
