//! How jobs are lent.
//!
//! `Wanted, floor.rs → convoke_job_lend_1: what is due is ready, keys take turns, the first are locked and lent → Loan`

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::floor::rise;
use super::jobs::PostgresJobs;
use crate::sql::postgres::{array, quoted};
use crate::tasks::queue::{Lane, micros, time_of, wakes};
use crate::tasks::{Held, Loan, Loans, Wanted};
use crate::transport::{ErrorKind, TransportError};

/// While there is more than is wanted, it is not looked more often what has become due: dead rows that vacuum may not take
/// away make that long.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn lend(jobs: &PostgresJobs, wanted: &Wanted) -> Result<Loans, TransportError> {
    let lanes = Lane::all(wanted);
    if wanted.most == 0 || lanes.is_empty() {
        return Ok(Loans::default());
    }
    let looks = jobs.lending().looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
    // A key may have jobs also where this worker knows of no limit, as in a rolling deploy.
    let turning: Vec<_> = lanes.iter().filter(|lane| looks || lane.is_limited()).copied().collect();
    let start = Instant::now();
    let rows = match jobs.rows(&call(jobs, wanted, &lanes, &turning, looks)).await {
        Err(error) if error.kind() == ErrorKind::Lost => {
            jobs.learn_id().await?;
            return Err(error);
        }
        rows => rows?,
    };
    let loans = read(jobs, wanted, &turning, looks, &rows).map_err(|error| jobs.error(&error))?;
    if note(jobs, wanted, &lanes, &rows, start.elapsed()).map_err(|error| jobs.error(&error))? {
        rise(jobs, &lanes).await;
    }
    Ok(loans)
}

/// Notes what it has cost to find these. Returns whether the floor has to rise.
fn note(
    jobs: &PostgresJobs,
    wanted: &Wanted,
    lanes: &[Lane],
    rows: &[PgRow],
    took: Duration,
) -> Result<bool, sqlx::Error> {
    let Some((last, lent)) = rows.split_last() else { return Ok(false) };
    let (read, is_refused): (i64, bool) = (last.try_get(1)?, last.try_get(9)?);
    let mut lending = jobs.lending();
    if is_refused {
        lending.floor.give_up();
    }
    let read = read.saturating_sub(lent.len().try_into().unwrap_or(i64::MAX));
    let was_in_use = lending.floor.is_in_use();
    let rises = lending.floor.note(lanes, wanted.most, read, took);
    if rises && !was_in_use {
        jobs.database.warn_of_held_snapshots(&jobs.at);
    }
    Ok(rises)
}

fn call(jobs: &PostgresJobs, wanted: &Wanted, lanes: &[Lane], turning: &[Lane], looks: bool) -> String {
    let numbers = |number: fn(&Lane) -> Option<i64>| {
        array(turning.iter().map(|lane| number(lane).map_or("NULL".to_owned(), |number| number.to_string())))
    };
    let (cursors, floor) = {
        let lending = jobs.lending();
        let cursor = |lane: &Lane| lending.cursors.get(&lane.number).copied().unwrap_or(i64::MAX);
        (array(turning.iter().map(cursor)), lending.floor.of_lanes(lanes))
    };
    format!(
        "SELECT * FROM {}.convoke_job_lend_1({}, '{}', {}, {}, {}, {looks}, '{}', '{}', '{}', '{}', '{}', '{cursors}', {floor})",
        jobs.database.schema(),
        quoted(&jobs.id()),
        array(lanes.iter().map(|lane| lane.number)),
        i32::try_from(wanted.most).unwrap_or(i32::MAX),
        micros(wanted.lease),
        wakes(wanted.most),
        numbers(|lane| Some(lane.number)),
        numbers(|lane| Some(lane.task)),
        numbers(Lane::at_once),
        numbers(|lane| lane.rate().map(|(burst, _)| burst)),
        numbers(|lane| lane.rate().map(|(_, each)| each)),
    )
}

fn read(
    jobs: &PostgresJobs,
    wanted: &Wanted,
    turning: &[Lane],
    looks: bool,
    rows: &[PgRow],
) -> Result<Loans, sqlx::Error> {
    let Some((last, rows)) = rows.split_last() else { return Ok(Loans::default()) };
    let mut ranked = Vec::with_capacity(rows.len());
    for row in rows {
        ranked.push((row.try_get::<i64, _>(1)?, loan(row)?));
    }
    ranked.sort_unstable_by_key(|(rank, loan)| (*rank, loan.id));
    let cursors: Vec<i64> = last.try_get(11)?;
    let next: Option<i64> = last.try_get(7)?;
    let is_full = ranked.len() >= wanted.most;
    {
        let mut lending = jobs.lending();
        // What is less than was wanted was looked for.
        match is_full {
            true if looks => lending.looked = Some(Instant::now()),
            true => {}
            false => lending.looked = None,
        }
        for (lane, cursor) in turning.iter().zip(&cursors) {
            if *cursor != i64::MAX {
                lending.cursors.insert(lane.number, *cursor);
                jobs.turns.store(true, Ordering::Relaxed);
            }
        }
    }
    Ok(Loans { jobs: ranked.into_iter().map(|(_, loan)| loan).collect(), next: next.map(time_of) })
}

fn loan(row: &PgRow) -> Result<Loan, sqlx::Error> {
    Ok(Loan {
        id: row.try_get(0)?,
        attempt: row.try_get::<i32, _>(2)?.try_into().unwrap_or_default(),
        attempts: row.try_get::<i32, _>(3)?.try_into().unwrap_or_default(),
        task: row.try_get(4)?,
        payload: row.try_get(5)?,
        cause: row.try_get(6)?,
        waited: time_of(row.try_get(7)?),
        is_cancelled: row.try_get(8)?,
        is_expired: row.try_get(9)?,
        reason: row.try_get(10)?,
    })
}

pub(super) async fn renew(
    jobs: &PostgresJobs,
    held: &[(i64, u32)],
    lease: Duration,
) -> Result<Vec<Held>, TransportError> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, attempts) = (array(held.iter().map(|held| held.0)), array(held.iter().map(|held| held.1)));
    let schema = jobs.database.schema();
    let sql = format!("SELECT {schema}.convoke_job_renew_1('{ids}', '{attempts}', {})", micros(lease));
    let how = jobs.value::<Vec<i16>>(&jobs.rows(&sql).await?)?;
    Ok(how
        .into_iter()
        .map(|how| match how {
            0 => Held::Still,
            1 => Held::Cancelled,
            _ => Held::Lost,
        })
        .collect())
}
