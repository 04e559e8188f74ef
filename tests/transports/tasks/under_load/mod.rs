//! What only shows with many jobs, or after a while. Most of it is tried under `tests/run --full` alone.
//!
//! `Crew → rate: jobs a second → something happens, or goes on → rate → what is left of it`, `figure: …`
//!
//! In reading order: `campaign` kills workers that do thousands of jobs. `chaos` is what happens to a worker or a database, and
//! what is done of jobs afterwards; `pressures` is what goes on meanwhile. `soak` takes as many minutes as it is told.

/// Four workers, two schedulers, and somebody who kills them.
mod campaign;
/// A rate before and after something has happened.
mod chaos;
/// A rate before something goes on, and while it does.
mod pressures;
/// Some minutes at a steady rate.
mod soak;

use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::{AsReturned, Fault, Task, TaskDatabase, TaskFailed, TaskQueue, TaskTerms};
use serde::{Deserialize, Serialize};

/// What costs nothing but what is done for it, of about 1 KiB, and has an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    id: u64,
    text: String,
}

impl Task for Work {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Work";
    const TERMS: TaskTerms = TaskTerms::new().attempts(1_000).waits(Duration::ZERO, Duration::ZERO);

    fn id(&self) -> Option<serde_json::Value> {
        Some(self.id.into())
    }
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "work/done")]
struct Worked {
    id: u64,
}

fn job(id: u64) -> Work {
    Work { id, text: "x".repeat(900) }
}

async fn work(work: Arc<Work>) -> Result<Worked, Fault> {
    Ok(Worked { id: work.id })
}

fn is_full() -> bool {
    std::env::var_os("CONVOKE_FULL").is_some()
}

/// Says that a test is one of those that take minutes, unless it is to be run.
fn is_left_out() -> bool {
    if !is_full() {
        println!("not tried: it is one of `tests/run --full`");
    }
    !is_full()
}

/// Enqueues so many, and returns how many were done in a second, until all are.
async fn rate<D: TaskDatabase>(queue: &TaskQueue<D>, first: &mut u64, count: u64) -> f64 {
    enqueue(queue, first, count).await;
    let start = Instant::now();
    nothing_waits(queue).await;
    count as f64 / start.elapsed().as_secs_f64()
}

async fn enqueue<D: TaskDatabase>(queue: &TaskQueue<D>, first: &mut u64, count: u64) {
    let end = *first + count;
    while *first < end {
        let next = end.min(*first + 1_000);
        queue.enqueue_all((*first..next).map(job)).await.unwrap();
        *first = next;
    }
}

/// Waits until none is left, also while the database is away.
async fn nothing_waits<D: TaskDatabase>(queue: &TaskQueue<D>) {
    let start = Instant::now();
    loop {
        match queue.figures().await {
            Ok(figures) if figures.waiting + figures.running + figures.scheduled == 0 => return,
            figures => assert!(start.elapsed() < Duration::from_secs(300), "{figures:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Each of so many is told of once.
fn each_once(ids: impl Iterator<Item = u64>, count: u64) {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "told twice: {twice:?}");
    assert!(ids.iter().copied().eq(0..count), "{} of {count} are told", ids.len());
}
