//! What is told once more, and how fast.
//!
//! `Store::replay → Replaying → to(&bus) | to_listener | to_publisher → each record → done → the next`

use std::fmt::{self, Display};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use super::error::{ReplayError, ReplayFault};
use super::progress::{Progress, Replayed};
use crate::store::{Position, Read, Reading, Recorded};
use crate::{Envelope, Replay};

/// How many records are told between two reports of progress.
const REPORTED: u64 = 100;

/// Says which records are told once more, and how fast. Created by [`Store::replay`](crate::Store::replay).
///
/// ```no_run
/// # use convoke::prelude::*;
/// # use convoke::transport::SqliteDatabase;
/// # use convoke::{Position, Store};
/// # async fn again(orders: Store<SqliteDatabase>, bus: EventBus, last: Position) -> Result<(), Box<dyn std::error::Error>> {
/// let replayed = orders.replay("orders/*").after(last).rate(500).to(&bus).await?;
/// println!("{} events, the last at {}", replayed.told, replayed.position);
/// # Ok(())
/// # }
/// ```
///
/// Whoever hears a record is told that it is a [`Replay`]; a listener that is
/// [`unless_replayed`](crate::Listening::unless_replayed) is not called. Routes of the bus do not send it on, and no dead letter is
/// made of it: the store has it.
///
/// A replay may be interrupted at any time, by dropping its future. It is taken up again [after](Self::after) the position that was
/// [reported](Self::on_progress) last; a few records behind that are then told twice.
#[must_use = "nothing is told before `to`, `to_listener` or `to_publisher`"]
pub struct Replaying {
    read: Read,
    rate: Option<u32>,
    keep_going: bool,
    report: Option<Box<dyn Fn(Progress)>>,
}

impl Read {
    /// Tells what it reads once more. See [`Replaying`]. A replay goes forward and has an end: what goes
    /// [backward](Self::backward) or [follows](Self::follow) is an error when it begins.
    pub fn replay(self) -> Replaying {
        Replaying::new(self)
    }
}

impl Replaying {
    pub(crate) fn new(read: Read) -> Self {
        Self { read, rate: None, keep_going: false, report: None }
    }

    /// Begins behind this position. See [`Read::after`].
    pub fn after(self, position: Position) -> Self {
        Self { read: self.read.after(position), ..self }
    }

    /// Ends with this position. See [`Read::until`].
    pub fn until(self, position: Position) -> Self {
        Self { read: self.read.until(position), ..self }
    }

    /// Begins at this time. See [`Read::since`].
    pub fn since(self, time: SystemTime) -> Self {
        Self { read: self.read.since(time), ..self }
    }

    /// Ends before this time. See [`Read::before`].
    pub fn before(self, time: SystemTime) -> Self {
        Self { read: self.read.before(time), ..self }
    }

    /// Tells only what is about this thing. See [`Read::about`].
    pub fn about(self, entity: &str, id: impl Display) -> Self {
        Self { read: self.read.about(entity, id), ..self }
    }

    /// Tells at most so many records a second. The default is no limit; 0 counts as 1.
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second.max(1));
        self
    }

    /// Goes on when a listener fails on a record, and counts it. By default the replay ends there. A server that does not take a
    /// record, and a record that cannot be read, end it in any case.
    pub fn keep_going(mut self) -> Self {
        self.keep_going = true;
        self
    }

    /// Reports how far it is: when it begins, after every hundred records, and when it ends, also by an error.
    pub fn on_progress(mut self, report: impl Fn(Progress) + 'static) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    pub(super) fn begins_after(&self) -> Position {
        self.read.begins_after()
    }

    pub(super) fn goes_on(&self) -> bool {
        self.keep_going
    }

    /// Begins it.
    pub(super) async fn begin(self) -> Result<Course, ReplayError> {
        let position = self.begins_after();
        let fault = |error| ReplayError::new(position, 0, ReplayFault::Store(error));
        self.read.check_forward().map_err(fault)?;
        let last = self.read.head().await.map_err(fault)?;
        let course = Course {
            pace: self.rate.map(|rate| Pace { rate, start: Instant::now(), told: 0 }),
            reading: self.read.start(),
            report: self.report,
            position,
            last,
            told: 0,
            failed: 0,
        };
        course.tell_progress();
        Ok(course)
    }
}

impl fmt::Debug for Replaying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaying").field("read", &self.read).field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// A replay that has begun.
pub(super) struct Course {
    reading: Reading,
    pace: Option<Pace>,
    report: Option<Box<dyn Fn(Progress)>>,
    position: Position,
    last: Position,
    told: u64,
    failed: u64,
}

struct Pace {
    rate: u32,
    start: Instant,
    told: u64,
}

impl Course {
    /// The next record, when it is its turn.
    pub(super) async fn next(&mut self) -> Result<Option<Recorded>, ReplayError> {
        if let Some(pace) = &mut self.pace {
            let due = Duration::from_secs_f64(pace.told as f64 / f64::from(pace.rate));
            sleep_until(pace.start + due).await;
            pace.told += 1;
        }
        match self.reading.next().await {
            Ok(record) => Ok(record),
            Err(error) => Err(self.fails(ReplayFault::Store(error))),
        }
    }

    /// Its event in its present version, marked.
    pub(super) fn envelope(&self, record: &Recorded) -> Result<Envelope, ReplayError> {
        let mut envelope = record.envelope().map_err(|error| self.fails(ReplayFault::Store(error)))?;
        envelope.metadata.replay = Replay::of(record.position().to_string());
        Ok(envelope)
    }

    /// A record is done.
    pub(super) fn done(&mut self, position: Position, well: bool) {
        self.position = position;
        self.told += 1;
        self.failed += u64::from(!well);
        if self.told.is_multiple_of(REPORTED) {
            self.tell_progress();
        }
    }

    pub(super) fn end(self) -> Replayed {
        let Self { position, told, failed, .. } = self;
        if !told.is_multiple_of(REPORTED) {
            self.tell_progress();
        }
        Replayed { position, told, failed }
    }

    pub(super) fn fails(&self, fault: ReplayFault) -> ReplayError {
        self.tell_progress();
        ReplayError::new(self.position, self.told, fault)
    }

    fn tell_progress(&self) {
        if let Some(report) = &self.report {
            let Self { position, last, told, .. } = *self;
            report(Progress { position, last, told });
        }
    }
}
