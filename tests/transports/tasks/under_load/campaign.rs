//! Four workers in processes of their own, of which two have a schedule, and which are killed all the time: each job ends once, and
//! each has one event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::{AsReturned, Attempt, Fault, Missed, Task, TaskDatabase, TaskFailed, Tasks};
use serde::{Deserialize, Serialize};

use super::{Work, Worked, each_once, enqueue, is_full};
use crate::transports::tasks::processes::children::{Crew, Place, in_processes};

in_processes! {
    of_thousands_of_jobs_under_workers_that_are_killed_each_ends_once: works, plays;
}

#[derive(Serialize, Deserialize)]
struct Tick {}

impl Task for Tick {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Tick";
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "work/ticked")]
struct Ticked {
    job: i64,
}

/// One in four takes a while, and one in ten fails for good.
async fn moody(work: Arc<Work>) -> Result<Worked, Fault> {
    if work.id.is_multiple_of(4) {
        let most = if is_full() { 400 } else { 20 };
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..most))).await;
    }
    if work.id % 10 == 3 { Err(Fault::new("no").permanent()) } else { Ok(Worked { id: work.id }) }
}

fn works<D: TaskDatabase>(tasks: Tasks<D>, part: &str) -> Tasks<D> {
    let tasks = tasks
        .on(moody)
        .unwrap()
        .on(async |_: Arc<Tick>, attempt: Attempt| Ticked { job: attempt.job().number() })
        .unwrap();
    match part {
        "schedules" => tasks.every("* * * * * *", Tick {}).unwrap().missed(Missed::All),
        _ => tasks,
    }
}

const PARTS: [&str; 4] = ["schedules", "schedules", "works", "works"];

async fn plays<B: Place>(crew: Crew<B>) {
    let (jobs, patience) = if is_full() { (10_000, 1_200) } else { (1_000, 120) };
    enqueue(&crew.queue, &mut 0, jobs).await;
    let (start, mut kills, mut workers) = (Instant::now(), 0, PARTS.map(|part| crew.worker(part)));
    // As long as there is enough to be killed at.
    while crew.base.number("SELECT count(*) FROM convoke_job WHERE task = 'Work' AND state < 4").await > 0 {
        let left = crew.outbox.figures().await.unwrap().ready;
        assert!(start.elapsed() < Duration::from_secs(patience), "{left} are told, after {kills} kills");
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..400))).await;
        let one = fastrand::usize(..PARTS.len());
        workers[one].kill();
        workers[one] = crew.worker(PARTS[one]);
        kills += 1;
        if kills % 4 == 0 {
            // Long enough for one to begin.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    workers.iter_mut().for_each(|worker| worker.kill());
    let (begun, end) =
        ("SELECT count(*) FROM convoke_job WHERE task = 'Tick'", "SELECT count(*) FROM convoke_job_tick");
    let (ticks, schedules) = (crew.base.number(begun).await, crew.base.number(end).await);
    let over = crew.base.number("SELECT count(*) FROM convoke_job WHERE task = 'Tick' AND state >= 4").await;
    assert_eq!(schedules, 1);
    let (mut ids, mut ticked) = (Vec::new(), BTreeSet::new());
    let told = crew.told().await;
    for envelope in &told {
        match envelope.payload.get("id").and_then(|id| id.as_u64()) {
            Some(id) => ids.push(id),
            None => assert!(ticked.insert(envelope.payload["job"].as_i64().unwrap()), "{envelope:?} is told twice"),
        }
    }
    each_once(ids.into_iter(), jobs);
    assert_eq!(ticked.len() as i64, over, "each tick that has ended is told once");
    println!(
        "figure: {jobs} jobs, 4 workers, 2 schedulers, {kills} kills in {:?}: each has one event; {ticks} ticks",
        start.elapsed()
    );
}
