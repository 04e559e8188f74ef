//! What is taken from a queue in a database while n others wait, and after n are done. The CPU time of the server is in it.

#[cfg(feature = "postgres")]
use std::fs;
use std::time::Duration;

#[cfg(feature = "postgres")]
use convoke::transport::Postgres;
#[cfg(feature = "sqlite")]
use convoke::transport::Sqlite;
use convoke::transport::{Publisher, Source};
use futures::future::join_all;

use super::Growth;
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::transports::contestant::{Message, batches};
use crate::transports::servers;

pub(super) const ROWS: &[Growth] = &[
    #[cfg(feature = "sqlite")]
    Growth {
        name: "taken from a queue of n over SQLite",
        unit: "delivery",
        sizes: &[1_000, 100_000],
        times: 1_000,
        run: |n, times| sqlite(n, 0, times),
    },
    #[cfg(feature = "sqlite")]
    Growth {
        name: "taken after n were done over SQLite",
        unit: "delivery",
        sizes: &[1_000, 100_000],
        times: 1_000,
        run: |n, times| sqlite(0, n, times),
    },
    #[cfg(feature = "postgres")]
    Growth {
        name: "taken from a queue of n over PostgreSQL",
        unit: "delivery",
        sizes: &[1_000, 100_000],
        times: 1_000,
        run: |n, times| postgres(n, 0, times),
    },
    #[cfg(feature = "postgres")]
    Growth {
        name: "taken after n were done over PostgreSQL",
        unit: "delivery",
        sizes: &[1_000, 100_000],
        times: 1_000,
        run: |n, times| postgres(0, n, times),
    },
];

#[cfg(feature = "sqlite")]
fn sqlite(waiting: usize, done: usize, times: u64) -> Result<Duration, Failure> {
    actix::System::new().block_on(async {
        let file = servers::file()?;
        let queue = Sqlite::queue("orders").at(&file.url).await?;
        taken(queue.clone(), queue, (waiting, done, times as usize), || Duration::ZERO).await
    })
}

#[cfg(feature = "postgres")]
fn postgres(waiting: usize, done: usize, times: u64) -> Result<Duration, Failure> {
    actix::System::new().block_on(async {
        let server = servers::postgres().await?;
        let queue = Postgres::queue("orders").at(&server.url).create_if_missing().await?;
        let pid = server.pid().ok_or("whose server it is, that one has its CPU time")?;
        taken(queue.clone(), queue, (waiting, done, times as usize), || with_children(pid)).await
    })
}

/// Has so many done, and so many wait; then takes as many as asked, and returns the CPU time of that, with what a server
/// says that it has used.
async fn taken(
    publisher: impl Publisher,
    mut source: impl Source,
    (waiting, done, times): (usize, usize, usize),
    server: impl Fn() -> Duration,
) -> Result<Duration, Failure> {
    const BATCH: usize = 100;
    let message = Message::new();
    source.open(BATCH).await?;
    publish(&publisher, &message, done).await?;
    take(&mut source, done, BATCH).await?;
    publish(&publisher, &message, waiting.max(times)).await?;
    // Connections are open then, and statements known.
    take(&mut source, times.min(BATCH), BATCH).await?;
    publish(&publisher, &message, times.min(BATCH)).await?;
    let before = process_cpu_time() + server();
    take(&mut source, times, BATCH).await?;
    Ok(process_cpu_time() + server() - before)
}

async fn publish(publisher: &impl Publisher, message: &Message, count: usize) -> Result<(), Failure> {
    for size in batches(count, 250) {
        for taken in publisher.publish(&message.packets(size)).await {
            taken?;
        }
    }
    Ok(())
}

async fn take(source: &mut impl Source, count: usize, batch: usize) -> Result<(), Failure> {
    let mut taken = 0;
    while taken < count {
        let deliveries = source.receive(batch.min(count - taken)).await?;
        taken += deliveries.len();
        for settled in join_all(deliveries.into_iter().map(|delivery| delivery.ack())).await {
            settled?;
        }
    }
    Ok(())
}

/// What a process and its children have used so far, those that have ended too: the kernel counts it in hundredths.
#[cfg(feature = "postgres")]
fn with_children(pid: u32) -> Duration {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name may have spaces; behind it come the state, the parent, and from the twelfth field the times.
        let Some((front, back)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<u64> = back.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let own = front.split(' ').next().and_then(|id| id.parse().ok()) == Some(pid);
        let times = if own { 11..15 } else { 11..13 };
        if own || fields.get(1) == Some(&u64::from(pid)) {
            ticks += fields.get(times).unwrap_or_default().iter().sum::<u64>();
        }
    }
    Duration::from_millis(ticks * 10)
}
