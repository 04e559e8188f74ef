//! The subject "transports": what our contract costs over each server, beside the bare client in the same run; and how
//! fast a worker drains, beside Celery, apalis and BullMQ.
//!
//! ```text
//! servers.rs      finds or starts each server
//! contestant.rs   ours, over any transport; postgres.rs, redis.rs, rabbitmq.rs, sqlite.rs, sqs.rs: the bare
//!                 clients
//! drain.rs        the worker, celery.py and bullmq.js; apalis.rs
//! counted.rs      commits and round trips of a drain over PostgreSQL
//! idle.rs         how soon a queue in a database that is idle hands on what is published
//! ```
//!
//! Both encode and decode every message with the same codec, and go in batches of the same size. What is compared is the
//! CPU time of this process per message: the clients' own threads are in it, the servers are not. Throughput stands
//! beside it; on a shared machine it says more about the neighbors. Every sample has a queue of its own, and the two take
//! turns.
//!
//! A server that is missing is a line that says so, and no failure.

#[cfg(feature = "redis")]
pub(crate) mod apalis;
pub(crate) mod contestant;
#[cfg(feature = "postgres")]
pub(crate) mod counted;
pub(crate) mod drain;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod idle;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod servers;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqs")]
mod sqs;

use std::fmt::Write;
use std::time::{Duration, Instant};

use contestant::{Contestant, Future, Message};
use drain::{Drained, WAITING};
use servers::Missing;

use crate::figure::process_cpu_time;
use crate::harness::{Failure, Plan, quantile};
use crate::report::thousands;

/// Makes somebody who has a queue of this name at this address.
type Open = for<'a> fn(&'a str, &'a str, usize) -> Future<'a, Box<dyn Contestant>>;

/// What is done over one server.
struct Work {
    server: &'static str,
    ours: Open,
    /// The client by itself, and others to compare with.
    beside: &'static [(&'static str, Open)],
    /// Messages in a sample.
    messages: usize,
    /// Messages handed over or taken at a time.
    batch: usize,
}

const WORKS: &[Work] = &[
    Work {
        server: "memory",
        ours: |url, name, batch| Box::pin(memory::ours(url, name, batch)),
        beside: &[],
        messages: 20_000,
        batch: 100,
    },
    #[cfg(feature = "sqlite")]
    Work {
        server: "sqlite",
        ours: |url, name, batch| Box::pin(sqlite::ours(url, name, batch)),
        beside: &[
            ("bare client", |url, name, batch| Box::pin(sqlite::bare(url, name, batch))),
            ("a table by hand", |url, name, batch| Box::pin(sqlite::by_hand(url, name, batch))),
        ],
        messages: 6_400,
        batch: 64,
    },
    #[cfg(feature = "postgres")]
    Work {
        server: "postgres",
        ours: |url, name, batch| Box::pin(postgres::ours(url, name, batch)),
        beside: &[("a table by hand", |url, name, batch| Box::pin(postgres::by_hand(url, name, batch)))],
        messages: 10_000,
        batch: 100,
    },
    #[cfg(feature = "redis")]
    Work {
        server: "redis",
        ours: |url, name, batch| Box::pin(redis::ours(url, name, batch)),
        beside: &[("bare client", |url, name, batch| Box::pin(redis::bare(url, name, batch)))],
        messages: 20_000,
        batch: 100,
    },
    #[cfg(feature = "rabbitmq")]
    Work {
        server: "rabbitmq",
        ours: |url, name, batch| Box::pin(rabbitmq::ours(url, name, batch)),
        beside: &[("bare client", |url, name, batch| Box::pin(rabbitmq::bare(url, name, batch)))],
        messages: 10_000,
        batch: 100,
    },
    #[cfg(feature = "sqs")]
    Work {
        server: "sqs",
        ours: |url, name, batch| Box::pin(sqs::ours(url, name, batch)),
        beside: &[("bare client", |url, name, batch| Box::pin(sqs::bare(url, name, batch)))],
        messages: 1_000,
        batch: 10,
    },
];

/// What was measured: one line of JSON, one line of a table.
struct Row {
    server: &'static str,
    what: &'static str,
    contestant: String,
    messages: usize,
    cpu_us: f64,
    per_second: f64,
    /// How many times as cheap as the other one.
    ratio: Option<f64>,
    memory: Option<(u64, u64)>,
    /// Commits and round trips for each message.
    asked: Option<(f64, f64)>,
}

/// The samples of one contestant at one thing.
#[derive(Default)]
struct Samples {
    cpu: Vec<Duration>,
    wall: Vec<Duration>,
}

impl Samples {
    async fn take(&mut self, work: Future<'_, ()>) -> Result<(), Failure> {
        let (start, cpu) = (Instant::now(), process_cpu_time());
        work.await?;
        self.cpu.push(process_cpu_time() - cpu);
        self.wall.push(start.elapsed());
        Ok(())
    }

    fn row(&self, server: &'static str, what: &'static str, contestant: &str, messages: usize) -> Row {
        let contestant = contestant.to_owned();
        let cpu_us = median(&self.cpu) * 1e6 / messages as f64;
        let per_second = messages as f64 / median(&self.wall);
        Row { server, what, contestant, messages, cpu_us, per_second, ratio: None, memory: None, asked: None }
    }
}

/// In seconds.
fn median(samples: &[Duration]) -> f64 {
    let mut sorted: Vec<_> = samples.iter().map(Duration::as_secs_f64).collect();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// Measures what the plan asks for, and prints it server by server. `--only` names a server, `--n` how many messages a
/// sample has.
///
/// # Errors
///
/// If one of them does not do its work. A server that is missing is none.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<(), Failure> {
    let asked = |work: &&Work| plan.only.as_ref().is_none_or(|only| work.server.contains(only.as_str()));
    let works: Vec<_> = WORKS.iter().filter(asked).collect();
    if works.is_empty() {
        let servers: Vec<_> = WORKS.iter().map(|work| work.server).collect();
        return Err(format!("no server of that name; there are: {}", servers.join(" · ")).into());
    }
    if !json {
        println!(
            "transports: CPU time per message of 1 KiB in µs (median of {}), and how many times as cheap ours is as this one;\n\
             in drains how many times as many per second it does\n",
            plan.samples
        );
        println!("{}", heads());
    }
    actix::System::new().block_on(async {
        for work in works {
            match server(work.server).await {
                Err(missing) if json => eprintln!("{}: skipped: {missing}", work.server),
                Err(missing) => println!("{:<10}skipped: {missing}", work.server),
                Ok(server) => {
                    for row in measure(work, &server.url, plan).await? {
                        print!("{}", if json { row.json() } else { row.line() });
                    }
                    for line in idle(work, &server.url, plan, json).await? {
                        println!("{line}");
                    }
                    for row in drains(work, &server.url).await? {
                        match row {
                            Ok(row) => print!("{}", if json { row.json() } else { row.line() }),
                            Err(missing) if json => eprintln!("{missing}"),
                            Err(missing) => println!("{missing}"),
                        }
                    }
                }
            }
        }
        Ok(())
    })
}

async fn server(name: &str) -> Result<servers::Server, Missing> {
    match name {
        #[cfg(feature = "postgres")]
        "postgres" => servers::postgres().await,
        "redis" => servers::redis().await,
        "rabbitmq" => servers::rabbitmq().await,
        "sqs" => servers::aws().await,
        _ => servers::file(),
    }
}

/// All contestants in turn, each sample with a queue of its own. The ratio beside another one is how many times as cheap
/// ours is.
async fn measure(work: &Work, url: &str, plan: &Plan) -> Result<Vec<Row>, Failure> {
    let (message, count) = (Message::new(), plan.n.unwrap_or(work.messages));
    let all: Vec<_> = [("convoke", work.ours)].into_iter().chain(work.beside.iter().copied()).collect();
    let mut samples: Vec<[Samples; 2]> = all.iter().map(|_| Default::default()).collect();
    for sample in 0..plan.samples {
        for turn in 0..all.len() {
            let who = (turn + sample) % all.len();
            let name = format!("bench-{}-{sample}-{who}", std::process::id());
            let mut contestant = all[who].1(url, &name, work.batch).await?;
            samples[who][0].take(contestant.publish(&message, count)).await?;
            samples[who][1].take(contestant.consume(count)).await?;
        }
    }
    let mut rows = Vec::new();
    for (at, what) in ["publish", "consume"].into_iter().enumerate() {
        let row = |((contestant, _), samples): (&(&str, Open), &[Samples; 2])| {
            samples[at].row(work.server, what, contestant, count)
        };
        let first = rows.len();
        rows.extend(all.iter().zip(&samples).map(row));
        let ours = rows[first].cpu_us;
        rows[first + 1..].iter_mut().for_each(|other| other.ratio = Some(other.cpu_us / ours));
    }
    Ok(rows)
}

/// The worker drains what waits, one at a time and sixteen at a time, beside those who know the server: apalis, BullMQ, and
/// Celery one at a time. Beside each stands how many times as many ours does in a second, as many at a time.
async fn drains(work: &Work, url: &str) -> Result<Vec<Result<Row, Missing>>, Failure> {
    const CONCURRENCIES: [usize; 2] = [1, 16];
    let mut rows = Vec::new();
    for concurrency in CONCURRENCIES {
        let name = format!("bench-{}-drain-{concurrency}", std::process::id());
        let drained = match work.server {
            #[cfg(feature = "redis")]
            "redis" => {
                let stream = convoke::transport::Redis::stream(name).at(url).create_if_missing().await?;
                drain::ours(stream.clone(), stream, concurrency).await?
            }
            #[cfg(feature = "rabbitmq")]
            "rabbitmq" => {
                let queue = convoke::transport::RabbitMq::queue(name).at(url).create_if_missing().await?;
                drain::ours(queue.clone(), queue, concurrency).await?
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => {
                let queue = convoke::transport::Sqlite::queue(name).at(format!("{url}-drain")).await?;
                drain::ours(queue.clone(), queue, concurrency).await?
            }
            #[cfg(feature = "postgres")]
            "postgres" => {
                let queue = convoke::transport::Postgres::queue(&name).at(url).create_if_missing().await?;
                let drained = drain::ours(queue.clone(), queue, concurrency).await?;
                let asked = counted_drain(url, &format!("{name}-counted"), concurrency).await?;
                Drained { asked: Some(asked), ..drained }
            }
            "memory" => {
                let queue = convoke::transport::Memory::queue(name);
                drain::ours(queue.clone(), queue, concurrency).await?
            }
            _ => return Ok(rows),
        };
        rows.push(Ok(drained.row(work.server, format!("worker, {concurrency} at a time"))));
    }
    let ours: Vec<f64> = rows.iter().flatten().map(|row: &Row| row.per_second).collect();
    #[cfg(feature = "redis")]
    if work.server == "redis" {
        for (concurrency, ours) in CONCURRENCIES.into_iter().zip(&ours) {
            let name = format!("bench-{}-apalis-{concurrency}", std::process::id());
            let drained = apalis::drain(url, &name, concurrency).await?;
            let row = drained.row(work.server, format!("apalis, {concurrency} at a time"));
            rows.push(Ok(Row { ratio: Some(ours / row.per_second), ..row }));
        }
    }
    if work.server == "redis" {
        for (concurrency, ours) in CONCURRENCIES.into_iter().zip(&ours) {
            rows.push(match drain::bullmq(url, concurrency).await {
                Ok(drained) => {
                    let row = drained.row(work.server, format!("bullmq, {concurrency} at a time"));
                    Ok(Row { ratio: Some(ours / row.per_second), ..row })
                }
                Err(missing) => Err(format!("{:<10}bullmq skipped: {missing}", work.server)),
            });
        }
    }
    if let "redis" | "rabbitmq" = work.server {
        match drain::celery(&url.replace("%2f", "/")).await {
            Ok(drained) => {
                let row = drained.row(work.server, "celery solo, 1 at a time".into());
                rows.push(Ok(Row { ratio: ours.first().map(|ours| ours / row.per_second), ..row }));
            }
            Err(missing) => rows.push(Err(format!("{:<10}celery skipped: {missing}", work.server))),
        }
    }
    Ok(rows)
}

/// How soon what is published is there: half of them at the latest after so long, and all but one in a hundred.
async fn idle(work: &Work, url: &str, plan: &Plan, json: bool) -> Result<Vec<String>, Failure> {
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for sample in 0..plan.samples {
        let name = format!("bench-{}-idle-{sample}", std::process::id());
        match work.server {
            #[cfg(feature = "sqlite")]
            "sqlite" => {
                let file = format!("{url}-idle-{sample}");
                let queue = || convoke::transport::Sqlite::queue(&name).at(&file);
                ours.extend(idle::ours(queue().await?, queue().await?).await?);
                hand.extend(idle::sqlite(&file).await?);
            }
            #[cfg(feature = "postgres")]
            "postgres" => {
                let queue = || convoke::transport::Postgres::queue(&name).at(url).create_if_missing();
                ours.extend(idle::ours(queue().await?, queue().await?).await?);
                hand.extend(idle::postgres(url).await?);
            }
            _ => return Ok(Vec::new()),
        }
    }
    let line = |(who, times): (&str, &mut Vec<f64>)| {
        times.sort_by(f64::total_cmp);
        let (half, most) = (quantile(times, 0.5) * 1e3, quantile(times, 0.99) * 1e3);
        if json {
            let (server, n) = (work.server, times.len());
            return format!(
                r#"{{"work": "transports-idle", "server": "{server}", "contestant": "{who}", "n": {n}, "p50_ms": {half:.3}, "p99_ms": {most:.3}}}"#
            );
        }
        format!("{:<10}{:<9}{who:<26}{:>12} p50 {half:.2} ms, p99 {most:.2} ms", work.server, "idle", "")
    };
    Ok([("convoke", &mut ours), ("a table by hand", &mut hand)].map(line).into())
}

/// Commits and round trips for each message of a drain, whose time is not taken: who counts stands in between.
#[cfg(feature = "postgres")]
async fn counted_drain(url: &str, name: &str, concurrency: usize) -> Result<(f64, f64), Failure> {
    drain::fill(&convoke::transport::Postgres::queue(name).at(url).create_if_missing().await?).await?;
    let counted = counted::Counted::before(url).await?;
    let before = counted.commits().await?;
    drain::emptied(convoke::transport::Postgres::queue(name).at(&counted.url).await?, concurrency).await?;
    let (trips, commits) = (counted.trips(), counted.commits().await? - before);
    Ok((commits as f64 / WAITING as f64, trips as f64 / WAITING as f64))
}

impl Drained {
    fn row(&self, server: &'static str, contestant: String) -> Row {
        Row {
            server,
            what: "drain",
            contestant,
            messages: WAITING,
            cpu_us: self.cpu.as_secs_f64() * 1e6 / WAITING as f64,
            per_second: WAITING as f64 / self.wall.as_secs_f64(),
            ratio: None,
            memory: self.memory,
            asked: self.asked,
        }
    }
}

fn heads() -> String {
    format!("{:<10}{:<9}{:<26}{:>9}{:>9}{:>14}", "server", "", "", "µs", "ratio", "messages/s")
}

impl Row {
    fn line(&self) -> String {
        let ratio = self.ratio.map_or_else(|| String::from("-"), |ratio| format!("{ratio:.2}×"));
        let mut line = format!(
            "{:<10}{:<9}{:<26}{:>9.1}{ratio:>9}{:>14}",
            self.server,
            self.what,
            self.contestant,
            self.cpu_us,
            thousands(self.per_second as usize)
        );
        if let Some((idle, loaded)) = self.memory {
            let _ = write!(line, "   {:.1} MB before, {:.1} MB after", idle as f64 / 1e6, loaded as f64 / 1e6);
        }
        if let Some((commits, trips)) = self.asked {
            let _ = write!(line, "   {commits:.3} commits, {trips:.3} round trips");
        }
        line.push('\n');
        line
    }

    fn json(&self) -> String {
        let ratio = self.ratio.map(|ratio| format!(r#", "ratio": {ratio:.3}"#)).unwrap_or_default();
        let memory = self.memory.map(|(idle, loaded)| format!(r#", "bytes_idle": {idle}, "bytes_loaded": {loaded}"#));
        let asked =
            self.asked.map(|(commits, trips)| format!(r#", "commits": {commits:.4}, "round_trips": {trips:.4}"#));
        format!(
            "{{\"work\": \"transports-{}\", \"server\": \"{}\", \"contestant\": \"{}\", \"n\": {}, \"cpu_ns\": {:.1}, \
             \"per_second\": {:.1}{ratio}{}{}}}\n",
            self.what,
            self.server,
            self.contestant,
            self.messages,
            self.cpu_us * 1e3,
            self.per_second,
            memory.unwrap_or_default(),
            asked.unwrap_or_default()
        )
    }
}
