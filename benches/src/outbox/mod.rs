//! The subject "outbox": how many events a relay hands from a database to a Redis stream, and how soon after its commit a
//! reader has one; beside SQL that one writes by hand for the same clients, and faststream-outbox.
//!
//! ```text
//! ours.rs      Outbox::publish_all ── commit ──> Relay ──> Redis::stream
//! by_hand.rs   INSERT ── commit ──> SELECT the first 1,000, XADD in a pipeline, DELETE; and again
//! faststream_relay.py                faststream-outbox, with 1 and 16 workers
//! ```
//!
//! What waits is there before a relay starts. The time is that from its start until the stream has all. A server that is
//! missing is a line that says so, and no failure.

mod by_hand;
mod ours;

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};

use crate::figure::process_cpu_time;
use crate::harness::{Failure, Plan, quantile};
use crate::report::thousands;
use crate::transports::drain::{self, Drained};
use crate::transports::servers;

/// Events in a sample, and of how many the way of each is timed.
const EVENTS: usize = 20_000;
const TIMED: usize = 200;

/// So much time between two that are timed: the relay has nothing to do then.
const PAUSE: Duration = Duration::from_millis(10);

/// After so long something hangs.
const DEADLINE: Duration = Duration::from_secs(120);

const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// What each is given: a database, a server, and a name that nobody else has.
struct Place<'a> {
    database: &'static str,
    url: &'a str,
    redis: &'a str,
    name: String,
}

/// Measures what the plan asks for, and prints it database by database. `--only` names one of them, `--n` how many events a
/// sample has.
///
/// # Errors
///
/// If one of them does not do its work. A server that is missing is none.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<(), Failure> {
    let asked = |name: &&str| plan.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if !json {
        println!(
            "outbox: events of 1 KiB through a relay to a Redis stream (median of {}), and how many times\nas many per second ours hands over as this one; then the time from a commit to a reader\n",
            plan.samples
        );
    }
    actix::System::new().block_on(async {
        let redis = match servers::redis().await {
            Ok(redis) => redis,
            Err(missing) => {
                println!("skipped: {missing}");
                return Ok(());
            }
        };
        for database in DATABASES.into_iter().filter(asked) {
            let server = match database {
                "postgres" => servers::postgres().await,
                _ => servers::file(),
            };
            match server {
                Ok(server) => measure(database, &server.url, &redis.url, plan, json).await?,
                Err(missing) => println!("{database:<10}skipped: {missing}"),
            }
        }
        Ok(())
    })
}

async fn measure(database: &'static str, url: &str, redis: &str, plan: &Plan, json: bool) -> Result<(), Failure> {
    let count = plan.n.unwrap_or(EVENTS);
    let (mut ours, mut hand, mut waits) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for sample in 0..plan.samples {
        let place = |who: &str| {
            let name = format!("bench_{database}_{}_{sample}_{who}", std::process::id());
            Place { database, url, redis, name }
        };
        ours.push(ours::relay(&place("ours"), count).await?);
        hand.push(by_hand::relay(&place("hand"), count).await?);
        waits[0].extend(ours::times(&place("ours_timed"), TIMED).await?);
        waits[1].extend(by_hand::times(&place("hand_timed"), TIMED).await?);
    }
    let first = per_second(&ours, count);
    line(database, "convoke", &ours, count, None, json);
    line(database, "a table by hand", &hand, count, Some(first), json);
    if database == "postgres" {
        for workers in [1, 16] {
            match faststream(url, redis, count.min(5_000), workers).await {
                Ok(drained) => {
                    let name = format!("faststream-outbox, {workers} workers");
                    line(database, &name, &[drained], count.min(5_000), Some(first), json);
                }
                Err(missing) => println!("{missing}"),
            }
        }
    }
    for (who, waits) in ["convoke", "a table by hand"].into_iter().zip(&mut waits) {
        waits.sort_by(f64::total_cmp);
        let (half, most) = (quantile(waits, 0.5) * 1e3, quantile(waits, 0.99) * 1e3);
        if json {
            println!(
                r#"{{"work": "outbox", "database": "{database}", "contestant": "{who}", "p50_ms": {half:.3}, "p99_ms": {most:.3}}}"#
            );
        } else {
            println!("{database:<10}{:<36}{half:>9.2} ms{most:>9.2} ms", format!("to a reader, {who}"));
        }
    }
    Ok(())
}

fn per_second(samples: &[Drained], count: usize) -> f64 {
    count as f64 / middle(samples.iter().map(|sample| sample.wall))
}

fn middle(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<_> = times.map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.5)
}

fn line(database: &str, who: &str, samples: &[Drained], count: usize, ours: Option<f64>, json: bool) {
    let (per_second, cpu) = (per_second(samples, count), middle(samples.iter().map(|sample| sample.cpu)));
    let cpu = cpu * 1e6 / count as f64;
    if json {
        println!(
            r#"{{"work": "outbox", "database": "{database}", "contestant": "{who}", "n": {count}, "cpu_us": {cpu:.2}, "per_second": {per_second:.0}}}"#
        );
        return;
    }
    let ratio = ours.map_or_else(|| "-".to_owned(), |ours| format!("{:.2}×", ours / per_second));
    println!("{database:<10}{who:<30}{cpu:>9.1} µs{:>12}/s{ratio:>9}", thousands(per_second as usize));
}

/// The Redis to which relays publish, as a reader has it.
struct Reader {
    connection: MultiplexedConnection,
    stream: String,
    last: String,
}

type Entry = (String, Vec<Vec<u8>>);

impl Reader {
    async fn open(place: &Place<'_>) -> Result<Self, Failure> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = Client::open(place.redis)?.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Self { connection, stream: place.name.clone(), last: "0".to_owned() })
    }

    /// Waits until so many are there, and returns what that took.
    async fn all(&mut self, count: usize, start: (Instant, Duration)) -> Result<Drained, Failure> {
        let all = async {
            while cmd("XLEN").arg(&self.stream).query_async::<usize>(&mut self.connection).await? < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Ok::<_, Failure>(())
        };
        tokio::time::timeout(DEADLINE, all).await.map_err(|_| "not all has left")??;
        Ok(Drained { wall: start.0.elapsed(), cpu: process_cpu_time() - start.1, memory: None, asked: None })
    }

    /// Waits for the next entry.
    async fn next(&mut self) -> Result<(), Failure> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(1).arg("BLOCK").arg(10_000).arg("STREAMS").arg(&self.stream).arg(&self.last);
        let reply: Vec<(String, Vec<Entry>)> = read.query_async(&mut self.connection).await?;
        let entry = reply.into_iter().flat_map(|(_, entries)| entries).next().ok_or("nothing has come")?;
        self.last = entry.0;
        Ok(())
    }
}

fn start() -> (Instant, Duration) {
    (Instant::now(), process_cpu_time())
}

/// The Python that has faststream-outbox is named by `CONVOKE_FASTSTREAM`.
async fn faststream(postgres: &str, redis: &str, count: usize, workers: usize) -> Result<Drained, Failure> {
    let python = std::env::var("CONVOKE_FASTSTREAM").map_err(|_| {
        "set CONVOKE_FASTSTREAM to a Python that has it: pip install faststream-outbox==0.19.0 'faststream[redis]' asyncpg"
    })?;
    let mut command = tokio::process::Command::new(python);
    command.arg("-c").arg(include_str!("faststream_relay.py"));
    command.args([postgres, redis, &count.to_string(), &workers.to_string()]);
    drain::figure(command, "faststream-outbox").await
}
