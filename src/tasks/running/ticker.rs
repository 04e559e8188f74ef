//! Jobs that are enqueued again and again: a time once, however many processes are there.
//!
//! `ticked: where it stands, and what time it is there → cron/: which times have come → tick: moved on, if it still stands there`

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::Shared;
use crate::__private::Shown;
use crate::tasks::cron::{MOST, Missed, Schedule, due};
use crate::tasks::{Due, NewJob};
use crate::tasks::{TaskDatabase, TaskError};

/// How long it waits at most before it asks for the time again: the clock of the database may be set.
const ASK: Duration = Duration::from_secs(10);

/// How long it waits after an error.
const PAUSE: Duration = Duration::from_secs(2);

/// The same time as a clock of another unit has it.
const MICROS: i64 = 1_000_000;

/// A job that is enqueued by a schedule.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct Every {
    pub(in crate::tasks) schedule: Schedule,
    pub(in crate::tasks) missed: Missed,
    pub(in crate::tasks) job: NewJob,
    /// Under which name it is known where it stands.
    pub(in crate::tasks) name: String,
}

impl Every {
    /// `key` is the payload, the same in every process.
    pub(in crate::tasks) fn new(schedule: Schedule, job: NewJob, key: &str) -> Self {
        let payload = xxhash_rust::xxh3::xxh3_64(key.as_bytes());
        let name = format!("{} {schedule} {payload:016x}", job.task);
        Self { schedule, missed: Missed::default(), job, name }
    }
}

/// Enqueues what is due, until it is dropped.
pub(super) async fn tick_all<D: TaskDatabase>(shared: Rc<Shared<D>>) {
    join_all(shared.schedules.iter().map(|every| tick(&shared, every))).await;
}

async fn tick<D: TaskDatabase>(shared: &Shared<D>, every: &Every) {
    let mut is_failing = false;
    loop {
        let wait = match step(shared, every).await {
            Ok(wait) => {
                if is_failing {
                    log::warn!(target: "convoke::tasks", "the schedule `{}` goes on", Shown::name(&every.name));
                }
                is_failing = false;
                wait
            }
            Err(error) => {
                if !is_failing {
                    let name = Shown::name(&every.name);
                    log::warn!(target: "convoke::tasks", "the schedule `{name}`: {error}; it is tried again");
                }
                is_failing = true;
                PAUSE
            }
        };
        sleep(wait).await;
    }
}

/// Enqueues what has come, and returns how long to wait for the next.
async fn step<D: TaskDatabase>(shared: &Shared<D>, every: &Every) -> Result<Duration, TaskError> {
    let jobs = shared.queue.jobs();
    let (stands, micros) = jobs.ticked(&every.name).await?;
    let now = micros.div_euclid(MICROS);
    let ticks = due(&every.schedule, stands, now, every.missed);
    let has_more = ticks.run.len() >= MOST;
    if !ticks.run.is_empty() || stands != Some(ticks.to) {
        let at = |time: &i64| NewJob { due: Due::At(time.saturating_mul(MICROS)), ..every.job.clone() };
        let new = ticks.run.iter().map(at).collect();
        let moved = jobs.tick(&every.name, stands, ticks.to, new).await?;
        if has_more || !moved {
            return Ok(Duration::ZERO);
        }
    }
    let next = every.schedule.next_after(now).map_or(i64::MAX, |next| next.saturating_mul(MICROS));
    let wait = Duration::from_micros(next.saturating_sub(micros).max(0).cast_unsigned());
    Ok(wait.min(ASK))
}
