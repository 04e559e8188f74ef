//! Ours: tasks of either database, by one set of functions.
//!
//! `Kept: open, queue, outbox, a transaction → fill → drain: Tasks, until all is settled → Drained`

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Sqlite, SqliteDatabase};
use convoke::{Outbox, Task, TaskDatabase, TaskQueue, Tasks, TasksHandle};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::place::{Place, SQLITE};
use super::{DEADLINE, Drained};
use crate::figure::process_cpu_time;
use crate::harness::Failure;

/// As JSON it is 1 KiB.
#[derive(Task, Serialize, Deserialize)]
pub(super) struct Noop {
    pub(super) text: String,
}

impl Noop {
    pub(super) fn new() -> Self {
        Self { text: "x".repeat(1024 - 11) }
    }
}

/// The same, of one of many keys.
#[derive(Task, Serialize, Deserialize)]
#[task(per_key(key, at_once = 1))]
pub(super) struct Keyed {
    key: u32,
    text: String,
}

impl Keyed {
    /// One after the other of so many keys.
    pub(super) fn new(number: usize, keys: usize) -> Self {
        Self { key: u32::try_from(number % keys).unwrap_or_default(), text: "x".repeat(1024 - 23) }
    }
}

/// How each has ended.
#[derive(Event, Serialize, Deserialize)]
#[event(topic = "noop/done")]
pub(super) struct NoopDone {
    pub(super) id: u64,
}

pub(super) async fn noop(_: Arc<Noop>) -> io::Result<NoopDone> {
    Ok(NoopDone { id: 7 })
}

async fn keyed(_: Arc<Keyed>) -> io::Result<NoopDone> {
    Ok(NoopDone { id: 7 })
}

/// What is done alike with both databases.
pub(super) trait Kept: TaskDatabase {
    async fn opened(url: &str) -> Result<Self, Failure>;
    async fn queue(&self) -> Result<TaskQueue<Self>, Failure>;
    async fn outbox_of(&self, name: &str) -> Result<Outbox<Self>, Failure>;
    /// Enqueues these in a transaction of their own, as an application does: all at once, or one.
    async fn enqueue_within(&self, queue: &TaskQueue<Self>, tasks: Vec<Noop>) -> Result<(), Failure>;
}

macro_rules! kept {
    ($database:ty, $open:expr) => {
        impl Kept for $database {
            async fn opened(url: &str) -> Result<Self, Failure> {
                $open(url.to_owned()).await
            }

            async fn queue(&self) -> Result<TaskQueue<Self>, Failure> {
                Ok(self.tasks().await?)
            }

            async fn outbox_of(&self, name: &str) -> Result<Outbox<Self>, Failure> {
                Ok(self.outbox(name).await?)
            }

            async fn enqueue_within(&self, queue: &TaskQueue<Self>, mut tasks: Vec<Noop>) -> Result<(), Failure> {
                let mut transaction = self.begin().await?;
                match tasks.pop() {
                    Some(task) if tasks.is_empty() => drop(queue.enqueue(task).within(&mut transaction).await?),
                    last => {
                        tasks.extend(last);
                        drop(queue.enqueue_all(tasks).within(&mut transaction).await?);
                    }
                }
                transaction.commit().await?;
                Ok(())
            }
        }
    };
}

kept!(SqliteDatabase, async |url| Ok(Sqlite::open(url).await?));
kept!(PostgresDatabase, async |url| {
    let database = Postgres::connect(url).await?;
    database.migrate().await?;
    Ok(database)
});

/// How a worker is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// At a time; without it everything is as it is by default.
    pub(super) concurrency: Option<usize>,
    /// How many have ended and are settled together.
    pub(super) gather: Option<usize>,
    /// Over how many keys with a limit.
    pub(super) keys: Option<usize>,
}

/// Enqueues so many.
pub(super) async fn fill(place: &Place<'_>, how: How, count: usize) -> Result<(), Failure> {
    if place.database == SQLITE {
        return filled::<SqliteDatabase>(place, how, count).await;
    }
    filled::<PostgresDatabase>(place, how, count).await
}

async fn filled<D: Kept>(place: &Place<'_>, how: How, count: usize) -> Result<(), Failure> {
    let queue = D::opened(&place.url).await?.queue().await?;
    for from in (0..count).step_by(500) {
        let numbers = from..count.min(from + 500);
        match how.keys {
            Some(keys) => drop(queue.enqueue_all(numbers.map(|number| Keyed::new(number, keys))).await?),
            None => drop(queue.enqueue_all(numbers.map(|_| Noop::new())).await?),
        }
    }
    Ok(())
}

/// Has a worker do all of them, at this address of the database.
pub(super) async fn drain(place: &Place<'_>, url: &str, how: How, count: usize) -> Result<Drained, Failure> {
    if place.database == SQLITE {
        return drained::<SqliteDatabase>(place, url, how, count).await;
    }
    drained::<PostgresDatabase>(place, url, how, count).await
}

async fn drained<D: Kept>(place: &Place<'_>, url: &str, how: How, count: usize) -> Result<Drained, Failure> {
    let database = D::opened(url).await?;
    let (start, cpu, server) = (Instant::now(), process_cpu_time(), place.server_cpu());
    let tasks = begin(&database, how).await?;
    settled(&tasks, count).await?;
    let (wall, cpu) = (start.elapsed(), process_cpu_time() - cpu);
    let server = place.server_cpu().zip(server).map(|(now, before)| now.saturating_sub(before));
    tasks.stop().await;
    Ok(Drained { wall, cpu, server })
}

/// Starts a worker.
pub(super) async fn begin<D: Kept>(database: &D, how: How) -> Result<TasksHandle<D>, Failure> {
    let tasks = Tasks::new(database, &EventBus::default());
    let mut tasks = if how.keys.is_some() { tasks.on(keyed)? } else { tasks.on(noop)? };
    if let Some(concurrency) = how.concurrency {
        // Nobody relays this one: what counts is the row.
        tasks = tasks.concurrency(concurrency).keep(Duration::ZERO).outbox(&database.outbox_of("bench").await?);
    }
    if let Some(gather) = how.gather {
        tasks = tasks.gather(gather);
    }
    Ok(tasks.await?)
}

/// Waits until so many have ended, each with its event.
pub(super) async fn settled<D: TaskDatabase>(tasks: &TasksHandle<D>, count: usize) -> Result<(), Failure> {
    let probe = tasks.probe();
    let all = async {
        while probe.health().settled < count as u64 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    Ok(timeout(DEADLINE, all).await.map_err(|_| format!("the worker hangs: {}", probe.health()))?)
}
