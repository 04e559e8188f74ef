//! Where looks into a lane begin while somebody keeps vacuum back, so that they step over no more dead rows after hours than at
//! first.
//!
//! `a look that took long → in use → { last id, now } → who writes? → they have ended → convoke_floor_1 → Floor → the next look`
//!
//! Below its id nothing is in the lane, nor ever will be: whoever had drawn a lower one has ended, and is seen. In the same way
//! nothing is due before its moment. Both can be wrong after the database was restored, or its clock was set back. So it is in use
//! only for a while, and then a look without it says whether it still has to be.
//!
//! What may stay for long would hold it down: dead letters in their places and what is behind them, and what is held back far ahead.
//! Up to a thousand of these are known by their ids and are looked at one by one, and the floor rises over them. With more, it
//! stands at the next one.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use crate::sql::postgres::{PostgresDatabase, Settling, array, describe};
use crate::transport::TransportError;

/// A look takes longer only if there are many dead rows before what is there.
pub(super) const SLOW: Duration = Duration::from_millis(20);
/// How much of the time may go into looking from the start: one part of so many.
pub(super) const SHARE: u32 = 20;
/// The same for looks without a floor, while there is one.
const SHARE_WITHOUT: u32 = 300;
/// For how long it is in use at least.
const SHORTEST: Duration = Duration::from_secs(60);
/// A look above the floor takes longer only if that could be higher.
const SLOW_ABOVE: Duration = Duration::from_micros(2_500);
/// How often it is looked at most whether it can be higher.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Clone, Debug, Default)]
pub(super) struct Floor {
    id: i64,
    /// All that there is of the lane below that.
    low: Vec<i64>,
    /// In µs since 1970, by the clock of the server.
    since: i64,
    /// Last ids, and the moments when they were that.
    settling: Settling<(i64, i64)>,
    /// Until when it is in use.
    until: Option<Instant>,
    /// When it is looked again whether it can be higher.
    next: Option<Instant>,
}

impl Floor {
    pub(super) fn is_in_use(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// The last arguments of a look for what is ready.
    pub(super) fn of_ids(&self) -> String {
        match self.is_in_use() {
            true => format!("{}, true, '{}'", self.id, array(self.low.iter())),
            false => "0, false".to_owned(),
        }
    }

    /// The same for one that also looks for what becomes due.
    pub(super) fn of_all(&self) -> String {
        match self.is_in_use() {
            true => format!("{}, {}, true, '{}'", self.id, self.since, array(self.low.iter())),
            false => "0, 0, false".to_owned(),
        }
    }

    /// Notes how long a look took.
    pub(super) async fn note(&mut self, database: &PostgresDatabase, at: &Arc<str>, lane: i64, took: Duration) {
        if !self.is_in_use() && took > SLOW {
            database.warn_of_held_snapshots(at);
            self.until = Some(Instant::now() + (took * SHARE_WITHOUT).max(SHORTEST));
            self.rise(database, at, lane).await;
        } else if took > SLOW_ABOVE {
            self.rise(database, at, lane).await;
        }
    }

    /// Has it be as high as it can be, if it is in use and that was not done a moment ago. This steps over what has died since.
    /// What fails is no fault of a look: it is done again after another one.
    pub(super) async fn rise(&mut self, database: &PostgresDatabase, at: &Arc<str>, lane: i64) {
        let start = Instant::now();
        if !self.is_in_use() || self.next.is_some_and(|next| start < next) {
            return;
        }
        if let Err(error) = self.find(database, at, lane).await {
            log::debug!(target: "convoke::transport", "{at}: where looks may begin is not known: {error}");
        }
        self.next = Some(Instant::now() + (start.elapsed() * SHARE).max(PAUSE));
    }

    async fn find(&mut self, database: &PostgresDatabase, at: &Arc<str>, lane: i64) -> Result<(), TransportError> {
        let schema = database.schema();
        // First what is there, and only then who writes.
        let drawn = row(database, at, &format!("SELECT * FROM {schema}.convoke_drawn_1()")).await?;
        let (drawn, moment) = pair(at, &drawn)?;
        let writers = database.writers(at, "convoke_delivery").await?;
        if drawn < self.id || moment < self.since {
            *self = Self { until: self.until, ..Self::default() };
        }
        self.settling.note((drawn, moment), writers);
        if let Some((drawn, moment)) = self.settling.settled() {
            let (id, since, low) = (self.id, self.since, array(self.low.iter()));
            let sql =
                format!("SELECT * FROM {schema}.convoke_floor_1({lane}, {id}, {since}, {drawn}, {moment}, '{low}')");
            let found = row(database, at, &sql).await?;
            let low = found.try_get(2).map_err(|error| describe(at, &error))?;
            (self.id, self.since) = pair(at, &found)?;
            self.low = low;
        }
        Ok(())
    }
}

/// The row that a statement returns.
async fn row(database: &PostgresDatabase, at: &Arc<str>, sql: &str) -> Result<PgRow, TransportError> {
    let row = database.rows(at, database.deadline(), sql).await?.into_iter().next();
    row.ok_or_else(|| describe(at, &sqlx::Error::RowNotFound))
}

/// The two numbers that it begins with.
fn pair(at: &Arc<str>, row: &PgRow) -> Result<(i64, i64), TransportError> {
    let numbers = row.try_get(0).and_then(|first| Ok((first, row.try_get(1)?)));
    numbers.map_err(|error| describe(at, &error))
}
