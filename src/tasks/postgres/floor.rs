//! Where lending begins while somebody keeps vacuum back, so that it steps over no more dead entries of indexes after hours than at
//! first.
//!
//! `lending that reads much → in use → { next number, now } → who writes? → they have ended → convoke_job_floor_1 → Floor → the next lending`
//!
//! What holds of a floor: **each job that is ready has a rank that is not below that of its lane, or its number was drawn, or it became
//! ready, since.** Who was writing when number and time were read has ended when it is looked what is there, and is seen. Who writes
//! later draws the number and reads the clock later, for both are done by who has locked the table; and whatever becomes ready again
//! notes when. So it does not matter what rank it has: a job of a higher priority, one that was given back or lost after hours, or
//! that somebody retries or cancels. What is there since is looked for by its number and its time (`convoke_job_fresh_1`). Of what
//! is not ready the time at which its state ends is never before the time at which it was written: below the floor of its state
//! there is none.
//!
//! All of that is by one server's clock and numbers. A server that has forgotten numbers, or whose clock was set back, is noticed by the
//! next lending, and each error ends the use of the floor. Beside that it is in use only for a while: then lending begins at the first
//! entry once, which says whether the floor still has to be.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::Row as _;
use tokio::time::Instant;

use super::jobs::PostgresJobs;
use crate::sql::postgres::{Settling, array};
use crate::tasks::queue::Lane;
use crate::transport::TransportError;

/// When there is one, and when it rises.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Reading more entries than this beyond what is lent is a reason to have a floor, if it is so several times in a row: where vacuum is
    /// not kept back, who has read a dead entry marks it, and the next does not read it.
    many: i64,
    times: u32,
    /// Reading more above the floor is one to have it rise, and so often it does at most.
    some: i64,
    pause: Duration,
    /// Reading so many more than without it is one to give it up.
    too_many: i64,
    /// A clock that is set back by less than this, in µs, does no harm.
    slack: i64,
}

const PACE: Pace =
    Pace { many: 4_000, times: 3, some: 500, pause: Duration::from_millis(100), too_many: 4_000, slack: 200_000 };

/// From the first lending on, and after each of them as high as it can be.
#[cfg(test)]
const EAGER: Pace =
    Pace { many: i64::MIN, times: 1, some: i64::MIN, pause: Duration::ZERO, too_many: i64::MAX, slack: 0 };

/// For how long it is in use at least.
const SHORTEST: Duration = Duration::from_secs(60);
/// How much of the time may go into lending without a floor, while there is one: one part of so many.
const SHARE_WITHOUT: u32 = 300;
/// Numbers of jobs that have one number of the sequence.
const NUMBERS: i64 = 8_192;

#[cfg(test)]
thread_local! {
    static IS_EAGER: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Has the jobs that are opened by this thread from now on begin at a floor whenever there can be one.
#[cfg(test)]
pub(in crate::tasks) fn begin_at_floors() {
    IS_EAGER.set(true);
}

/// Floors of the lanes that were wanted last.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    pace: Pace,
    held: Option<Held>,
    /// Last numbers of the sequence, and the moments when they were that, in µs since 1970.
    settling: Settling<(i64, i64)>,
    /// Until when it is in use.
    until: Option<Instant>,
    /// When it may rise again.
    next: Option<Instant>,
    /// How many that were lent last have read many entries, and how many the last of these.
    many: u32,
    most: i64,
    /// How often it was given up: what was found for one of these is none of the next.
    generation: u64,
}

#[derive(Clone, Debug)]
struct Held {
    ranks: HashMap<i64, i64>,
    /// Of the states above 1.
    times: Vec<i64>,
    /// What is there since has this number or a higher one, or this time.
    id: i64,
    since: i64,
}

impl Default for Floor {
    fn default() -> Self {
        let pace = PACE;
        #[cfg(test)]
        let pace = if IS_EAGER.get() { EAGER } else { pace };
        Self {
            pace,
            held: None,
            settling: Settling::default(),
            until: None,
            next: None,
            many: 0,
            most: 0,
            generation: 0,
        }
    }
}

impl Floor {
    fn held(&self) -> Option<&Held> {
        self.held.as_ref().filter(|_| self.is_in_use())
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// The last arguments of a lending from these lanes.
    pub(super) fn of_lanes(&self, lanes: &[Lane]) -> String {
        self.held().map_or("'{}', '{}', NULL, NULL".to_owned(), |held| held.arguments(lanes))
    }

    /// The last argument of who looks for what has ended.
    pub(super) fn of_times(&self) -> String {
        self.held().map_or_else(|| "{}".to_owned(), |held| array(held.times.iter()))
    }

    /// It is not to be relied on.
    pub(super) fn give_up(&mut self) {
        *self = Self { pace: self.pace, generation: self.generation + 1, ..Self::default() };
    }

    /// Notes how many entries lending has read beyond those of what it has lent, and how long it took. Returns whether it has to rise.
    pub(super) fn note(&mut self, lanes: &[Lane], wanted: usize, read: i64, took: Duration) -> bool {
        let now = Instant::now();
        if !self.is_in_use() {
            // Where there are many lanes, the first of each are read.
            let first_of_each = i64::try_from(wanted.saturating_mul(lanes.len())).unwrap_or(i64::MAX);
            self.many =
                if read > first_of_each.saturating_mul(2).saturating_add(self.pace.many) { self.many + 1 } else { 0 };
            if self.many < self.pace.times {
                return false;
            }
            self.give_up();
            // Once it is over, one lending says whether it has to be anew.
            (self.many, self.most) = (self.pace.times - 1, read);
            self.until = Some(now + (took * SHARE_WITHOUT).max(SHORTEST));
        } else if self.held.is_some() && read > self.most.saturating_add(self.pace.too_many) {
            // Somebody who has written is open for long: what was there since is more than what was there before.
            self.give_up();
            return false;
        } else if read <= self.pace.some || self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = Some(now + self.pace.pause);
        true
    }
}

impl Held {
    fn arguments(&self, lanes: &[Lane]) -> String {
        let ranks = array(lanes.iter().map(|lane| self.ranks.get(&lane.number).copied().unwrap_or(i64::MIN)));
        format!("'{ranks}', '{}', {}, {}", array(self.times.iter()), self.id, self.since)
    }
}

/// Has the floor be as high as it can be, of these lanes. This steps over what has died since. What fails is no fault of who lends: it is
/// done again after another lending.
pub(super) async fn rise(jobs: &PostgresJobs, lanes: &[Lane]) {
    let floor = jobs.lending().floor.clone();
    let generation = floor.generation;
    match risen(jobs, lanes, floor).await {
        Ok(risen) => {
            let mut lending = jobs.lending();
            if lending.floor.generation == generation {
                let Floor { until, next, many, most, .. } = lending.floor;
                lending.floor = Floor { until, next, many, most, ..risen };
            }
        }
        Err(error) => {
            log::debug!(target: "convoke::tasks", "{}: where lending may begin is not known: {error}", jobs.at);
        }
    }
}

async fn risen(jobs: &PostgresJobs, lanes: &[Lane], mut floor: Floor) -> Result<Floor, TransportError> {
    let schema = jobs.database.schema();
    // First what is there, and only then who writes.
    let sql = format!(
        "SELECT coalesce(pg_sequence_last_value('{schema}.convoke_job_number'::regclass), 0), {schema}.convoke_micros_1()"
    );
    let rows = jobs.rows(&sql).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    let seen: (i64, i64) =
        row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))).map_err(|error| jobs.error(&error))?;
    let writers = jobs.database.writers(&jobs.at, "convoke_job").await?;
    floor.settling.note(seen, writers);
    let Some((drawn, moment)) = floor.settling.settled() else { return Ok(floor) };
    let (id, since) = ((drawn + 1) * NUMBERS, moment - floor.pace.slack);
    let from = match &floor.held {
        // It was given up meanwhile, or this is older than what is known.
        Some(held) if id < held.id || since < held.since => return Ok(floor),
        Some(held) => held.arguments(lanes),
        None => {
            let (ranks, times) = (array(lanes.iter().map(|_| i64::MIN)), array([i64::MIN; 5].iter()));
            format!("'{ranks}', '{times}', NULL, NULL")
        }
    };
    let numbers = array(lanes.iter().map(|lane| lane.number));
    let rows = jobs.rows(&format!("SELECT * FROM {schema}.convoke_job_floor_1('{numbers}', {from}, {since})")).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    let (ranks, times): (Vec<i64>, Vec<i64>) =
        row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))).map_err(|error| jobs.error(&error))?;
    let ranks = lanes.iter().map(|lane| lane.number).zip(ranks).collect();
    floor.held = Some(Held { ranks, times, id, since });
    Ok(floor)
}
