//! How records get into a file: where one statement says what is not there already, one statement.
//!
//! `Asked, Asked → those without a condition together → INSERT … SELECT, which draws the positions → convoke_record`

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row as _, SqlSafeStr, SqlStr, SqliteConnection};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, timeout_at};

use super::records::{Asked, SqliteRecords};
use crate::store::{Appended, Batch, Entry, LAST_POSITION, Wanted, chain};
use crate::transport::{ErrorKind, TransportError};

/// So many appends at most go together.
pub(super) const MOST: usize = 256;

/// How many rows one statement inserts: few sizes, so that each is prepared once.
const SIZES: [usize; 4] = [100, 16, 4, 1];

static INSERTS: LazyLock<[SqlStr; 4]> = LazyLock::new(|| SIZES.map(insert_sql));

/// The statement that inserts so many rows behind the last one of a store, if the store is in this file. Each of the steps is
/// done once; the checksum is a sum, see `row.rs`.
fn insert_sql(rows: usize) -> SqlStr {
    let values = vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ");
    let sql = format!(
        "WITH head (base, last, at) AS MATERIALIZED (
            SELECT s.id << 40,
                coalesce((SELECT max(r.id) FROM convoke_record AS r
                    WHERE r.id > s.id << 40 AND r.id < (s.id + 1) << 40), s.id << 40),
                coalesce((SELECT r.at FROM convoke_record AS r
                    WHERE r.id > s.id << 40 AND r.id < (s.id + 1) << 40 ORDER BY r.id DESC LIMIT 1), 0)
            FROM convoke_store AS s WHERE s.id = ? AND s.tag = ?
        ), new (place, earlier, digest, topic, entity, body) AS (VALUES {values}
        ), placed (id, at, before, digest, topic, entity, body) AS MATERIALIZED (
            SELECT head.last + new.place, max(head.at, ?), CASE
                WHEN new.entity IS NULL THEN 0
                WHEN new.earlier > 0 THEN (head.last & {LAST_POSITION}) + new.earlier
                ELSE coalesce((SELECT max(o.id) & {LAST_POSITION} FROM convoke_record AS o
                    WHERE o.entity = new.entity AND o.id > head.base AND o.id <= head.last), 0)
            END, new.digest, new.topic, new.entity, new.body
            FROM head CROSS JOIN new
        )
        INSERT INTO convoke_record (id, at, before, checksum, topic, entity, body)
        SELECT id, at, before, digest + (id & {LAST_POSITION}) + (before << 20) + (at << 8), topic, entity, body
        FROM placed"
    );
    AssertSqlSafe(sql).into_sql_str()
}

/// Adds what was asked for, in one transaction; each has its own result.
pub(super) async fn add_all(records: &SqliteRecords, asked: Vec<Asked>) -> Vec<Result<Appended, TransportError>> {
    let (count, until) = (asked.len(), asked.iter().map(|asked| asked.until).max());
    let added = timeout_at(until.unwrap_or_else(Instant::now), add_in_turn(records, asked)).await;
    added.unwrap_or_else(|_| Err(records.late())).unwrap_or_else(|error| vec![Err(error); count])
}

async fn add_in_turn(
    records: &SqliteRecords,
    asked: Vec<Asked>,
) -> Result<Vec<Result<Appended, TransportError>>, TransportError> {
    let mut writer = records.file.write().await.map_err(|error| records.error(&error))?;
    records.same()?;
    // It may have taken long to get here: who was told that it failed does not want it any more.
    let now = Instant::now();
    let connection = &mut *writer.connection;
    let is_one = matches!(&*asked, [one] if one.batch.condition.is_none() && SIZES.contains(&one.batch.entries.len()));
    let result = match is_one {
        // One statement is a transaction by itself.
        true => add_some(records, connection, asked, now).await,
        false => {
            let mut transaction =
                connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| records.error(&error))?;
            match add_some(records, &mut transaction, asked, now).await {
                Ok(added) => transaction.commit().await.map(|()| added),
                Err(error) => Err(error),
            }
        }
    };
    // What was written into a file that is no longer at its path is not confirmed.
    let result = records.file.verified(result).map_err(|error| records.error(&error));
    drop(writer);
    if let Ok(added) = &result
        && added.iter().any(|added| matches!(added, Ok(Appended::At(_))))
    {
        records.ring();
    }
    result
}

/// Those without a condition that follow each other are one.
async fn add_some(
    records: &SqliteRecords,
    connection: &mut SqliteConnection,
    asked: Vec<Asked>,
    now: Instant,
) -> Result<Vec<Result<Appended, TransportError>>, sqlx::Error> {
    let mut results = Vec::with_capacity(asked.len());
    let mut asked = asked.into_iter().peekable();
    while let Some(Asked { batch: Batch { mut entries, condition }, until }) = asked.next() {
        if until <= now {
            results.push(Err(records.late()));
            continue;
        }
        if condition.is_some() {
            results.push(add(records, connection, Batch { entries, condition }).await?);
            continue;
        }
        let mut ends = vec![entries.len() as u64];
        while let Some(next) = asked.next_if(|next| next.until > now && next.batch.condition.is_none()) {
            entries.extend(next.batch.entries);
            ends.push(entries.len() as u64);
        }
        if ends.len() > 1 {
            chain(&mut entries);
        }
        let count = entries.len() as u64;
        let added = add(records, connection, Batch { entries, condition: None }).await?;
        results.extend(ends.into_iter().map(|end| match &added {
            Ok(Appended::At(last)) => Ok(Appended::At(last - count + end)),
            other => other.clone(),
        }));
    }
    Ok(results)
}

/// Adds within the transaction of the application.
pub(super) async fn add_within(
    records: &SqliteRecords,
    batch: Batch,
    connection: &mut SqliteConnection,
) -> Result<Appended, TransportError> {
    let is_open = records.file.is_in_transaction(connection).await.map_err(|error| records.error(&error))?;
    if !is_open {
        let text = "there is no transaction on this connection, and the event would be there by itself: begin one with \
            `db.begin()`, and commit it behind the event";
        return Err(TransportError::new(ErrorKind::Refused, records.at.clone(), text));
    }
    records.file.check().map_err(|error| records.error(&error))?;
    records.same()?;
    let added = add(records, connection, batch).await;
    let added = records.file.verified(added).map_err(|error| records.error(&error))?;
    // Before the commit: whoever looks does so again.
    records.ring();
    added
}

/// Adds a batch, where nobody else writes.
async fn add(
    records: &SqliteRecords,
    connection: &mut SqliteConnection,
    batch: Batch,
) -> Result<Result<Appended, TransportError>, sqlx::Error> {
    if let Some(wanted) = &batch.condition
        && let Some(met) = meet(records, connection, wanted).await?
    {
        return Ok(Ok(met));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = i64::try_from(now).unwrap_or_default();
    let mut entries = batch.entries.into_iter();
    let mut last = None;
    // Places and `earlier` count from the first of the batch, and a statement from the first of its own.
    let mut done = 0;
    for (size, sql) in SIZES.iter().zip(INSERTS.iter()) {
        while entries.len() >= *size {
            let mut query = sqlx::query(sql.clone()).bind(records.id).bind(i64::from(records.tag));
            for (place, entry) in (1_i64..).zip(entries.by_ref().take(*size)) {
                let Entry { topic, entity, earlier, digest, body } = entry;
                // What an earlier statement has inserted is found as what was there before.
                let earlier = (i64::from(earlier) - done).max(0);
                query = query.bind(place).bind(earlier).bind(digest).bind(topic).bind(entity).bind(body);
            }
            let inserted = query.bind(now).execute(&mut *connection).await?;
            if inserted.rows_affected() == 0 {
                let text = "the transaction is of another database, in which this store is not: begin it with `begin()` of the \
                    database that the store is from";
                return Ok(Err(TransportError::new(ErrorKind::Missing, records.at.clone(), text)));
            }
            last = Some(inserted.last_insert_rowid().cast_unsigned() & LAST_POSITION);
            done += i64::try_from(*size).unwrap_or_default();
        }
    }
    Ok(Ok(Appended::At(match last {
        Some(last) => last,
        None => head(connection, records.id).await?,
    })))
}

/// What is in the way of the condition.
async fn meet(
    records: &SqliteRecords,
    connection: &mut SqliteConnection,
    wanted: &Wanted,
) -> Result<Option<Appended>, sqlx::Error> {
    let base = records.id << 40;
    let head = head(connection, records.id).await?;
    if wanted.since > head {
        return Ok(Some(Appended::Ahead(head)));
    }
    let mut since = wanted.since;
    // Patterns are not SQL: what may match is looked at here, some at a time.
    loop {
        let found = "SELECT id, topic FROM convoke_record WHERE id > ? AND id <= ?";
        let query = match &wanted.entity {
            Some(entity) => sqlx::query(AssertSqlSafe(format!("{found} AND entity = ? ORDER BY id LIMIT 256")))
                .bind(base + since.cast_signed())
                .bind(base + head.cast_signed())
                .bind(entity.clone()),
            None => sqlx::query(AssertSqlSafe(format!("{found} ORDER BY id LIMIT 256")))
                .bind(base + since.cast_signed())
                .bind(base + head.cast_signed()),
        };
        let rows: Vec<SqliteRow> = query.fetch_all(&mut *connection).await?;
        for row in &rows {
            let (id, topic): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            since = id.cast_unsigned() & LAST_POSITION;
            if wanted.matches(since, &topic, wanted.entity.as_deref()) {
                let body = sqlx::query_scalar("SELECT body FROM convoke_record WHERE id = ?").bind(id);
                return Ok(Some(Appended::Conflict(since, body.fetch_one(connection).await?)));
            }
        }
        if rows.len() < 256 {
            return Ok(None);
        }
    }
}

pub(super) async fn head(connection: &mut SqliteConnection, id: i64) -> Result<u64, sqlx::Error> {
    let last = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM convoke_record WHERE id > ? AND id < ?");
    let last: i64 = last.bind(id << 40).bind((id + 1) << 40).fetch_one(connection).await?;
    Ok(last.cast_unsigned() & LAST_POSITION)
}

/// Returns the number and the tag of a store in this file.
pub(super) async fn find(connection: &mut SqliteConnection, name: &str) -> Result<Option<(i64, u32)>, sqlx::Error> {
    let find = sqlx::query_as("SELECT id, tag FROM convoke_store WHERE name = ?1").bind(name.to_owned());
    find.fetch_optional(connection).await
}

/// Makes a store in this file. One that is there stays as it is.
pub(super) async fn make(connection: &mut SqliteConnection, name: &str) -> Result<(i64, u32), sqlx::Error> {
    let tag = i64::try_from(crate::__private::random() >> 32).unwrap_or_default();
    let make = "INSERT INTO convoke_store (tag, name) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    sqlx::query(make).bind(tag).bind(name.to_owned()).execute(&mut *connection).await?;
    find(connection, name).await?.ok_or(sqlx::Error::RowNotFound)
}
