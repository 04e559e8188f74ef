//! As many minutes as are asked for, at a steady rate, with a crowd now and then: what is dead in the table stays bounded, and how
//! long a job waits for a worker stays as it is.
//!
//! `enqueued in transactions → two workers, one of which stops and begins again → how long each has waited`

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::PostgresDatabase;
use convoke::{AsReturned, Fault, Missed, Outbox, Task, TaskFailed, TaskTerms, Tasks, TasksHandle};
use serde::{Deserialize, Serialize};
use tokio::time::{interval, sleep};

use super::nothing_waits;
use crate::transports::outbox::postgres::Database;
use crate::transports::tasks::Base;
use crate::transports::tasks::processes::children::Place;

/// Every so often so many are enqueued by one transaction.
const EVERY: Duration = Duration::from_millis(100);
const JOBS: u64 = 15;
const CROWD: u64 = 5_000;
const CROWDS: u64 = 5;
const WINDOWS: u64 = 30;

/// One in ten fails at first, and each is of one of a hundred tenants.
#[derive(Serialize, Deserialize)]
struct Bill {
    number: u64,
    /// When it was enqueued, in µs since the test began.
    at: u64,
    text: String,
}

impl Task for Bill {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Bill";
    const TERMS: TaskTerms = TaskTerms::new().waits(Duration::from_millis(1), Duration::from_millis(10)).at_once(5);

    fn limit_key(&self) -> Option<String> {
        self.number.is_multiple_of(2).then(|| (self.number % 100).to_string())
    }
}

#[derive(Serialize, Deserialize)]
struct Tick {}

impl Task for Tick {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Tick";
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "bills/sent")]
struct Sent {
    number: u64,
}

/// What has come.
#[derive(Default)]
struct Came {
    waits: Vec<u64>,
    failed: u64,
    heard: u64,
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

async fn worker(
    base: &Database,
    bus: &EventBus,
    name: &str,
    start: Instant,
    came: &Rc<RefCell<Came>>,
) -> TasksHandle<PostgresDatabase> {
    let came = came.clone();
    let send = async move |bill: Arc<Bill>, attempt: convoke::Attempt| {
        if attempt.number() == 1 {
            came.borrow_mut().waits.push(micros(start).saturating_sub(bill.at));
            if bill.number % 10 == 3 {
                came.borrow_mut().failed += 1;
                return Err(Fault::new("no"));
            }
        }
        Ok(Sent { number: bill.number })
    };
    let tasks = Tasks::new(base.database(), bus).named(name).keep(Duration::from_secs(5)).on(send).unwrap();
    let tasks = tasks.on(async |_: Arc<Tick>| {}).unwrap().every("* * * * * *", Tick {}).unwrap().missed(Missed::All);
    tasks.await.unwrap()
}

#[actix_rt::test]
async fn jobs_stay_as_quick_and_what_is_dead_stays_bounded() {
    let minutes = std::env::var("CONVOKE_SOAK_MINUTES").ok().and_then(|minutes| minutes.parse::<u64>().ok());
    let Some(minutes) = minutes else { return println!("not tried: set CONVOKE_SOAK_MINUTES=30, on a quiet machine") };
    let window = Duration::from_secs(60) * u32::try_from(minutes).unwrap() / u32::try_from(WINDOWS).unwrap();
    let base = Database::alone(&[]).await;
    let (bus, start, came) = (EventBus::default(), Instant::now(), Rc::new(RefCell::new(Came::default())));
    let heard = came.clone();
    let _heard = bus.on(move |_: &Sent| heard.borrow_mut().heard += 1).unwrap();
    let steady = worker(&base, &bus, "steady", start, &came).await;
    let queue = base.tasks().await.unwrap();
    let enqueue = async |number: &mut u64, count: u64| {
        let mut tx = base.begin().await;
        let bill = |number| Bill { number, at: micros(start), text: "x".repeat(900) };
        queue.enqueue_all((*number..*number + count).map(bill)).within(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        *number += count;
    };
    let (mut number, mut figures) = (0, Vec::new());
    for round in 0..WINDOWS {
        let other = worker(&base, &bus, "other", start, &came).await;
        let (end, mut tick) = (Instant::now() + window, interval(EVERY));
        while Instant::now() < end {
            tick.tick().await;
            enqueue(&mut number, JOBS).await;
        }
        other.stop().await;
        nothing_waits(&queue).await;
        let mut waits = std::mem::take(&mut came.borrow_mut().waits);
        waits.sort_unstable();
        let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
        let (half, most) = (at(0.5), at(0.99));
        let mut speed = None;
        if round % CROWDS == 0 || round + 1 == WINDOWS {
            let begun = Instant::now();
            for _ in 0..CROWD / 500 {
                enqueue(&mut number, 500).await;
            }
            nothing_waits(&queue).await;
            speed = Some(CROWD as f64 / begun.elapsed().as_secs_f64());
            came.borrow_mut().waits.clear();
        }
        let dead = base.number("SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname = 'convoke_job'").await;
        println!(
            "figure: window {round}: {number} jobs, {dead} dead rows, enqueued to begun {half:.1} ms p50, {most:.1} ms p99{}",
            speed.map(|speed| format!(", {speed:.0} a second of a crowd")).unwrap_or_default()
        );
        figures.push((half, most, speed, dead));
    }
    let outbox: Outbox<_> = base.outbox("Tasks").await.unwrap();
    while outbox.figures().await.unwrap().ready > 0 {
        sleep(Duration::from_millis(20)).await;
    }
    steady.stop().await;
    assert_eq!(came.borrow().heard, number, "each is told once");
    let (first, last) = (figures[0], figures[figures.len() - 1]);
    assert!(last.0 < first.0 * 4.0 + 10.0 && last.1 < first.1 * 4.0 + 50.0, "from {first:?} to {last:?}: it is slower");
    assert!(last.2 > first.2.map(|speed| speed / 3.0), "from {first:?} to {last:?}: fewer a second");
    let most = figures.iter().map(|figure| figure.3).max();
    assert!(most < Some(60_000), "{most:?} are dead");
}
