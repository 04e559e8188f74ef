//! Workers that are killed again and again while batches open and close: each batch closes once, one job follows it, and none is left.
//!
//! `batches → two children at a time, killed in a job, while it ends, while its batch closes, in what follows, while batches are
//! enqueued, or by us → … → a worker that is not killed → of each batch one event of what followed`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AtLeast, BatchOutcome, BatchState, Fault, TaskDatabase, TaskQueue, Tasks};
use serde::{Deserialize, Serialize};

use super::children::{Crew, Place, in_processes, kill_me};

in_processes! {
    batches_survive_their_workers: works, plays;
}

/// When a child is killed.
const STEPS: [&str; 6] = ["inside", "ending", "closing", "following", "enqueuing", "anywhere"];

const PATIENCE: Duration = Duration::from_secs(300);

/// How many jobs a batch has, and how many have to succeed.
const JOBS: u32 = 8;
const NEEDED: usize = 6;

fn kills() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 200 } else { 20 }
}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "1ms", longest_wait = "1ms")]
struct Fetch {
    fails: bool,
}

/// Makes a batch, by a transaction of its own: another one with each attempt.
#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "1ms", longest_wait = "1ms")]
struct Outer {}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "1ms", longest_wait = "1ms")]
struct Report {}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "1ms", longest_wait = "1ms")]
struct Complain {}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "batches/followed")]
struct Followed {
    batch: String,
    done: bool,
}

/// Some time from now, in which this process goes on.
fn dies_soon(most: u64) {
    let wait = Duration::from_micros(fastrand::u64(0..most));
    std::thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "no future runs on this thread")]
        std::thread::sleep(wait);
        kill_me();
    });
}

async fn enqueue<D: TaskDatabase>(queue: &TaskQueue<D>, fails: u32) {
    let jobs = (0..JOBS).map(|place| Fetch { fails: place < fails });
    let batch = queue.together(jobs).when(AtLeast(NEEDED)).then(Report {}).otherwise(Complain {});
    batch.await.unwrap();
}

fn works<D: TaskDatabase>(tasks: Tasks<D>, part: &str) -> Tasks<D> {
    let step = STEPS.iter().copied().find(|step| step == &part).unwrap_or_default();
    let fetch = async move |fetch: Arc<Fetch>| {
        match step {
            "inside" => kill_me(),
            "ending" => dies_soon(4_000),
            "closing" => dies_soon(40_000),
            _ => {}
        }
        match fetch.fails {
            true => Err(Fault::new("an unlucky page").permanent()),
            false => Ok(()),
        }
    };
    let outer = async move |_: Arc<Outer>, queue: TaskQueue<D>| {
        if step == "enqueuing" {
            dies_soon(8_000);
        }
        enqueue(&queue, 0).await;
    };
    let follow = move |outcome: &BatchOutcome, done: bool| {
        if step == "following" {
            kill_me();
        }
        let (succeeded, failed) = (outcome.succeeded().count(), outcome.failed().count());
        let is_so = match outcome.state() {
            BatchState::Done => done && succeeded >= NEEDED,
            BatchState::OutOfReach => !done && failed > JOBS as usize - NEEDED,
            _ => false,
        };
        match is_so {
            true => Ok(Followed { batch: outcome.id().to_string(), done }),
            false => Err(Fault::new(format!("behind done {done}: {outcome}")).permanent()),
        }
    };
    let report = async move |_: Arc<Report>, outcome: BatchOutcome| follow(&outcome, true);
    let complain = async move |_: Arc<Complain>, outcome: BatchOutcome| follow(&outcome, false);
    let tasks = tasks.concurrency(4).gather(4).on(fetch).unwrap().on(outer).unwrap();
    tasks.on(report).unwrap().on(complain).unwrap()
}

/// Those that have committed: their jobs say of which they are.
const BATCHES: &str = "SELECT count(DISTINCT cause) FROM convoke_job WHERE task = 'Fetch'";
const FOLLOWERS: &str = "SELECT count(*) FROM convoke_job WHERE task IN ('Report', 'Complain')";
const OPEN: &str = "SELECT count(*) FROM convoke_round WHERE state <= 2";

async fn plays<B: Place>(crew: Crew<B>) {
    let mut deaths = 0;
    for step in STEPS {
        let mut killed = 0;
        while killed < kills() {
            enqueue(&crew.queue, 0).await;
            enqueue(&crew.queue, 3).await;
            if step == "enqueuing" {
                let _ = crew.queue.enqueue(Outer {}).await.unwrap();
            }
            let mut workers = [crew.worker(step), crew.worker(step)];
            let start = std::time::Instant::now();
            // One that finds nothing to die of is killed.
            let most = match step {
                "anywhere" => Duration::from_millis(fastrand::u64(100..600)),
                _ => Duration::from_secs(2),
            };
            while workers.iter_mut().any(|worker| worker.ended().is_none()) && start.elapsed() < most {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            workers.iter_mut().for_each(|worker| worker.kill());
            // As if its lease had run out by now: the next ones have something to do at once.
            crew.base.sql("DELETE FROM convoke_outbox_relay").await;
            killed += 2;
        }
        deaths += killed;
    }
    let (open, before) = (crew.base.number(OPEN).await, crew.base.number(FOLLOWERS).await);
    let batches = crew.base.number(BATCHES).await;
    println!("figure: {open} of {batches} batches were open, and {before} followed, after {deaths} kills");
    let start = std::time::Instant::now();
    let mut workers = [crew.worker("to the end")];
    loop {
        crew.all_end(&mut workers, "to the end", PATIENCE).await;
        let (open, all) = (crew.base.number(OPEN).await, crew.base.number(BATCHES).await);
        if open == 0 && crew.base.number(FOLLOWERS).await >= all {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{open} of {all} batches are open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What comes twice would come now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    crew.all_end(&mut workers, "to the end", PATIENCE).await;
    drop(workers);
    let batches = crew.base.number(BATCHES).await;
    assert_eq!((crew.base.number(FOLLOWERS).await, crew.base.number(OPEN).await), (batches, 0));
    let mut followed = BTreeMap::<String, u32>::new();
    for envelope in crew.told().await {
        match &*envelope.metadata.event {
            "Followed" => {
                *followed.entry(envelope.payload["batch"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            _ => assert_eq!(envelope.payload["task"], "Fetch", "{:?}", envelope.payload),
        }
    }
    assert_eq!(followed.len(), usize::try_from(batches).unwrap());
    assert!(followed.values().all(|times| *times == 1), "{followed:?}");
}
