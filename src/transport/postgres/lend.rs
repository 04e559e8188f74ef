//! How deliveries are lent: the first that are ready, by one statement, in the order in which they stand.
//!
//! `Subscriber → lend → convoke_lend_1 → convoke_delivery (ready → lent) → Packet`
//!
//! Where vacuum is kept back, the dead rows of what was done stand before what is ready, and each look steps over all of
//! them. Then it begins at a [floor](Floor); and where that is low, because something below is held back for long, where the
//! last look ended, and only now and then from the start.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::floor::{Floor, SHARE, SLOW};
use super::insert::millis;
use super::queue::Core;
use crate::sql::postgres::{Form, body_of, describe, quoted};
use crate::sql::{MAX_BYTES, read_attributes};
use crate::transport::{ErrorKind, MOST_COUNTED, Packet, TransportError};

// States of a delivery.
pub(super) const READY: i16 = 0;
pub(super) const HELD: i16 = 1;
pub(super) const LENT: i16 = 2;
// 3 is set aside behind another of its key, and 4 dead in its place.

/// A packet that is lent.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) id: i64,
    pub(super) lent: i32,
    rank: i16,
    pub(super) attempt: u32,
    /// How often it was dead in its place, and given another chance.
    pub(super) redriven: u64,
    /// Whether it was heard alone, and nobody has said how that ended.
    pub(super) marked: bool,
    is_text: bool,
    pub(super) packet: Packet,
}

/// Where a subscriber begins to look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    First,
    /// Behind this rank and id, until that time.
    Behind((i16, i64), Instant),
}

/// Lends up to `most` of a lane. The form of bodies is changed for the next time, if the other one is shorter.
pub(super) async fn lend(
    core: &Core,
    lane: i64,
    most: usize,
    start: &mut Start,
    floor: &mut Floor,
    form: &mut Form,
) -> Result<Vec<Loan>, TransportError> {
    if let Start::Behind(place, until) = *start
        && Instant::now() < until
    {
        let (loans, _) = lend_behind(core, lane, most, (Some(place), floor), form).await?;
        if loans.len() == most {
            *start = Start::Behind(last(&loans).unwrap_or(place), until);
            return Ok(loans);
        }
        *start = Start::First;
        if !loans.is_empty() {
            return Ok(loans);
        }
    }
    let begun = Instant::now();
    let had_floor = floor.is_in_use();
    let (loans, mut took) = lend_behind(core, lane, most, (None, floor), form).await?;
    // Not before the floor is as high as it can be it is no help.
    *start = match last(&loans) {
        Some(last) if took > SLOW && had_floor => Start::Behind(last, Instant::now() + took * SHARE),
        _ => Start::First,
    };
    // The first of a key is looked for among all that were there of it.
    if loans.iter().any(|loan| loan.packet.key.is_some()) {
        took = took.max(begun.elapsed());
    }
    floor.note(&core.database, &core.at, lane, took).await;
    Ok(loans)
}

fn last(loans: &[Loan]) -> Option<(i16, i64)> {
    loans.last().map(|loan| (loan.rank, loan.id))
}

async fn lend_behind(
    core: &Core,
    lane: i64,
    most: usize,
    (place, floor): (Option<(i16, i64)>, &Floor),
    form: &mut Form,
) -> Result<(Vec<Loan>, Duration), TransportError> {
    let (schema, lease) = (core.database.schema(), millis(core.lease));
    let behind = match place {
        Some((rank, id)) => format!("{rank}::smallint, {id}"),
        None => "NULL, NULL".to_owned(),
    };
    let sql = format!(
        "SET LOCAL bytea_output = {}; SELECT * FROM {schema}.convoke_lend_1({lane}, {most}, {MAX_BYTES}, {lease}, {behind}, {})",
        form.name(),
        floor.of_ids()
    );
    let rows = core.database.rows(&core.at, core.deadline, &sql).await?;
    let took = match rows.first() {
        Some(first) => first.try_get::<f64, _>(10).map_err(|error| describe(&core.at, &error))?,
        None => 0.0,
    };
    let loans: Result<Vec<_>, _> = rows.iter().map(loan_of).collect();
    let mut loans = loans.map_err(|error| describe(&core.at, &error))?;
    loans.sort_unstable_by_key(|loan| (loan.rank, loan.id));
    if loans.iter().any(|loan| !loan.is_text) {
        *form = Form::of(loans.iter().filter(|loan| !loan.is_text).map(|loan| loan.packet.body.as_slice()));
    }
    Ok((loans, time(took)))
}

/// A time that the server has measured in ms.
fn time(took: f64) -> Duration {
    Duration::try_from_secs_f64(took / 1000.0).unwrap_or_default()
}

fn loan_of(row: &PgRow) -> Result<Loan, sqlx::Error> {
    let text: Option<&str> = row.try_get(11)?;
    let body = text.map_or_else(|| body_of(row, 9), |text| Ok(text.as_bytes().to_vec()))?;
    let is_text = text.is_some();
    let mut packet = Packet::new(row.try_get::<String, _>(5)?, body);
    let rank: i16 = row.try_get(3)?;
    packet.topic = row.try_get(6)?;
    packet.key = row.try_get(7)?;
    packet.priority = u8::try_from(i16::from(u8::MAX) - rank).unwrap_or(0);
    packet.attributes = read_attributes(row.try_get(8)?);
    Ok(Loan {
        id: row.try_get(0)?,
        lent: row.try_get(1)?,
        rank,
        attempt: row.try_get::<i32, _>(2)?.try_into().unwrap_or(u32::MAX),
        redriven: row.try_get::<i32, _>(12)?.try_into().unwrap_or_default(),
        marked: row.try_get(4)?,
        is_text,
        packet,
    })
}

/// What there will be in a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prospect {
    pub(super) is_ready: bool,
    /// When something is held back or lent until then, if that is soon.
    pub(super) next: Option<Duration>,
    /// How long it took the server to look.
    pub(super) took: Duration,
}

/// Makes ready what was held back or lent until now, and looks what there is, and what there will be within this time.
pub(super) async fn wake(core: &Core, lane: i64, within: Duration, floor: &Floor) -> Result<Prospect, TransportError> {
    let (schema, within, floor) = (core.database.schema(), millis(within), floor.of_all());
    let sql = format!("SELECT is_ready, next, is_there, took FROM {schema}.convoke_wake_1({lane}, {within}, {floor})");
    let rows = core.database.rows(&core.at, core.deadline, &sql).await?;
    let prospect = rows.first().map(|row| {
        let next = row.try_get::<Option<f64>, _>(1)?.map(time);
        Ok((Prospect { is_ready: row.try_get(0)?, next, took: time(row.try_get(3)?) }, row.try_get(2)?))
    });
    let prospect = prospect.unwrap_or(Err(sqlx::Error::RowNotFound));
    match prospect.map_err(|error: sqlx::Error| describe(&core.at, &error))? {
        (prospect, true) => Ok(prospect),
        (_, false) => {
            let text = "its group was removed: open it again, and it gets what is published from then on";
            Err(TransportError::new(ErrorKind::Missing, core.at.clone(), text))
        }
    }
}

/// Returns the lane of the group, and makes it if it is not there.
pub(super) async fn lane(core: &Core) -> Result<i64, TransportError> {
    let (schema, queue, group) = (core.database.schema(), quoted(&core.queue), quoted(&core.group));
    let sql = format!("SELECT {schema}.convoke_lane_1({queue}, {group})");
    let rows = core.database.rows(&core.at, core.deadline, &sql).await?;
    let lane = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get(0));
    lane.map_err(|error| describe(&core.at, &error))
}

/// Returns how many wait, counted up to 10,000; for a group that is not there yet, none.
pub(super) async fn count(core: &Core) -> Result<u64, TransportError> {
    let (schema, queue, group) = (core.database.schema(), quoted(&core.queue), quoted(&core.group));
    let sql = format!(
        "SELECT {schema}.convoke_backlog_1(id, {MOST_COUNTED}) FROM {schema}.convoke_lane \
         WHERE queue = {queue} AND grp = {group}"
    );
    let rows = core.database.rows(&core.at, core.deadline, &sql).await?;
    let count = rows.first().map_or(Ok(0), |row| row.try_get::<i64, _>(0));
    count.map(|count| count.try_into().unwrap_or(0)).map_err(|error| describe(&core.at, &error))
}

/// Removes the lane of a group and what it still owes, some at a time.
pub(super) async fn remove_lane(core: &Core) -> Result<(), TransportError> {
    const SOME: usize = 1000;
    let (schema, queue, group) = (core.database.schema(), quoted(&core.queue), quoted(&core.group));
    let find = format!("SELECT id FROM {schema}.convoke_lane WHERE queue = {queue} AND grp = {group}");
    let rows = core.database.rows(&core.at, core.deadline, &find).await?;
    let Some(lane) = rows.first().map(|row| row.try_get::<i64, _>(0)) else { return Ok(()) };
    let lane = lane.map_err(|error| describe(&core.at, &error))?;
    let some = format!(
        "WITH batch AS MATERIALIZED (SELECT id FROM {schema}.convoke_delivery WHERE lane = {lane} LIMIT {SOME}) \
         DELETE FROM {schema}.convoke_delivery AS d USING batch WHERE d.id = batch.id RETURNING d.id"
    );
    // First nobody finds the lane any more; what was published at the same moment goes with the rest.
    let lane = format!("DELETE FROM {schema}.convoke_lane WHERE id = {lane}");
    core.database.rows(&core.at, core.deadline, &lane).await?;
    while core.database.rows(&core.at, core.deadline, &some).await?.len() == SOME {}
    Ok(())
}
