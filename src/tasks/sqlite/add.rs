//! How jobs get into a file: as few statements as that takes.
//!
//! `NewJob → INSERT … VALUES (…), (…) → convoke_job`, `a unique key → is it free? → ON CONFLICT DO NOTHING → which one has it?`

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr, SqlStr, Sqlite, SqliteConnection};

use super::jobs::{AHEAD, READY, SqliteJobs, TURN};
use super::numbers::{self, FIRST};
use crate::sql::sqlite::now;
use crate::tasks::queue::{key_of, lane_of, micros};
use crate::tasks::{Added, NewJob};
use crate::transport::TransportError;

/// How many rows one statement inserts: few sizes, so that each is prepared once.
const SIZES: [usize; 4] = [64, 16, 4, 1];

static INSERTS: LazyLock<[SqlStr; 4]> = LazyLock::new(|| SIZES.map(|rows| insert_sql(rows, "")));

/// The same where some are unique: says which were inserted.
static UNIQUE: LazyLock<[SqlStr; 4]> = LazyLock::new(|| {
    SIZES.map(|rows| insert_sql(rows, "ON CONFLICT (unique_key) WHERE hold > 0 DO NOTHING RETURNING id, unique_key"))
});

/// How many there are beside the number.
const COLUMNS: usize = 15;

fn insert_sql(rows: usize, end: &str) -> SqlStr {
    let columns = "id, lane, state, rank, due, at, key, attempts, hold, expires, held_until, unique_key, queue, task, cause, payload";
    let (mut all, mut value) = (String::new(), 2);
    for row in 0..rows {
        // The next number, also if the one before it was not inserted.
        all.push_str(if row == 0 { "(" } else { ", (NULL" });
        all.push_str(if row == 0 { FIRST } else { "" });
        for _ in 0..COLUMNS {
            value += 1;
            all.push_str(&format!(", ?{value}"));
        }
        all.push(')');
    }
    AssertSqlSafe(format!("INSERT INTO convoke_job ({columns}) VALUES {all} {end}")).into_sql_str()
}

/// A key is free that is held no longer than a time which is past: by a job that is over, or that was lent and held it until then.
pub(super) const FREE: &str = "UPDATE convoke_job SET hold = -hold \
    WHERE hold > 0 AND unique_key IN (SELECT value FROM json_each(?1)) \
        AND (state >= 4 OR hold = 2 AND state = 3) AND coalesce(held_until, 0) <= ?2";
pub(super) const HOLDERS: &str = "SELECT unique_key, id FROM convoke_job \
    WHERE hold > 0 AND unique_key IN (SELECT value FROM json_each(?1))";

pub(super) async fn add(jobs: &SqliteJobs, new: Vec<NewJob>) -> Result<Vec<Added>, TransportError> {
    // One statement is a transaction by itself.
    let added = match new.len() == 1 && new.iter().all(|job| job.unique.is_none()) {
        true => jobs.write(async |connection| insert(connection, new).await).await?,
        false => {
            let added = jobs.transact(async |connection| {
                insert(connection, new).await.map(Some).map_err(|error| jobs.error(&error))
            });
            added.await?.unwrap_or_default()
        }
    };
    jobs.ring();
    Ok(added)
}

pub(super) async fn add_within(
    jobs: &SqliteJobs,
    new: Vec<NewJob>,
    connection: &mut SqliteConnection,
) -> Result<Vec<Added>, TransportError> {
    jobs.within(connection).await?;
    let added = insert(connection, new).await;
    let added = jobs.store.verified(added).map_err(|error| jobs.error(&error))?;
    // Before the commit: whoever looks does so again.
    jobs.ring();
    Ok(added)
}

/// Inserts jobs in their order. What is more than one of them, or unique, has to be in a transaction.
pub(super) async fn insert(connection: &mut SqliteConnection, jobs: Vec<NewJob>) -> Result<Vec<Added>, sqlx::Error> {
    let keys: Vec<_> = jobs.iter().filter_map(|job| job.unique.as_ref()).map(|hold| hold.key.clone()).collect();
    if !keys.is_empty() {
        return insert_unique(connection, jobs, keys).await;
    }
    let mut added = Vec::with_capacity(jobs.len());
    let (now, mut jobs) = (now(), jobs.into_iter());
    for (size, sql) in SIZES.iter().zip(INSERTS.iter()) {
        while jobs.len() >= *size {
            let mut query = numbered(sql, *size);
            for job in jobs.by_ref().take(*size) {
                query = bound(query, job, now);
            }
            let last = query.execute(&mut *connection).await?.last_insert_rowid();
            numbers::note(last);
            let first = last - i64::try_from(*size).unwrap_or_default() + 1;
            added.extend((first..=last).map(Added::New));
        }
    }
    Ok(added)
}

async fn insert_unique(
    connection: &mut SqliteConnection,
    jobs: Vec<NewJob>,
    keys: Vec<String>,
) -> Result<Vec<Added>, sqlx::Error> {
    let now = now();
    // Texts can always be written.
    let keys = serde_json::to_string(&keys).unwrap_or_default();
    sqlx::query(FREE).bind(keys.clone()).bind(now).execute(&mut *connection).await?;
    let wanted: Vec<_> = jobs.iter().map(|job| job.unique.as_ref().map(|hold| hold.key.clone())).collect();
    let (mut inserted, mut jobs) = (Vec::<(i64, Option<String>)>::new(), jobs.into_iter());
    for (size, sql) in SIZES.iter().zip(UNIQUE.iter()) {
        while jobs.len() >= *size {
            let mut query = numbered(sql, *size);
            for job in jobs.by_ref().take(*size) {
                query = bound(query, job, now);
            }
            for row in query.fetch_all(&mut *connection).await? {
                inserted.push((row.try_get(0)?, row.try_get(1)?));
            }
        }
    }
    // Numbers are in the order of the jobs, and of a key the first is the one that was inserted.
    inserted.sort_unstable();
    if let Some((last, _)) = inserted.last() {
        numbers::note(*last);
    }
    let mut inserted = inserted.into_iter().peekable();
    let mut added: Vec<_> =
        wanted.iter().map(|key| inserted.next_if(|(_, has)| has == key).map(|(id, _)| id)).collect();
    let mut holders = HashMap::new();
    if added.contains(&None) {
        let rows: Vec<SqliteRow> = sqlx::query(HOLDERS).bind(keys).fetch_all(connection).await?;
        for row in rows {
            holders.insert(row.try_get::<String, _>(0)?, row.try_get::<i64, _>(1)?);
        }
    }
    let of = |(id, key): (Option<i64>, &Option<String>)| match id {
        Some(id) => Ok(Added::New(id)),
        None => {
            key.as_ref().and_then(|key| holders.get(key)).map(|id| Added::Existing(*id)).ok_or(sqlx::Error::RowNotFound)
        }
    };
    added.drain(..).zip(&wanted).map(of).collect()
}

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// A statement that inserts so many.
fn numbered(sql: &SqlStr, size: usize) -> Query {
    let (first, beyond) = numbers::draw(size);
    sqlx::query(sql.clone()).bind(first).bind(beyond)
}

fn bound(query: Query, job: NewJob, now: i64) -> Query {
    let due = millis(job.due.from(now.saturating_mul(1000)));
    let key = job.key.as_ref().map(|key| key_of(&job.task, key));
    let state = match key {
        _ if due > now => AHEAD,
        None => READY,
        Some(_) => TURN,
    };
    let head_start = millis(micros(job.head_start));
    let (hold, held_until, unique_key) = match job.unique {
        None => (0, None, None),
        Some(hold) => {
            let held_until = hold.time.map(|time| now.saturating_add(millis(micros(time))));
            (if hold.running { 1 } else { 2 }, held_until, Some(hold.key))
        }
    };
    let query = query.bind(lane_of(&job.queue, &job.task)).bind(state).bind(due.saturating_sub(head_start)).bind(due);
    let query = query.bind(due).bind(key).bind(i64::from(job.attempts)).bind(hold);
    let query = query.bind(job.expires.map(|expires| millis(micros(expires)))).bind(held_until).bind(unique_key);
    let query = query.bind(job.queue.to_string()).bind(job.task.to_string()).bind(job.cause);
    query.bind(job.payload.into_bytes())
}

/// In ms, rounded up.
pub(super) fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) > 0)
}
