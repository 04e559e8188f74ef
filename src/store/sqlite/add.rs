//! How records get into a file: where one statement says what is not there already, one statement.
//!
//! `Asked, Asked → those without a condition together → INSERT … SELECT, which draws the positions → convoke_record`

use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row as _, SqlSafeStr, SqlStr, Sqlite, SqliteConnection};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, timeout_at};

use super::records::{Asked, SqliteRecords};
use crate::store::{Appended, Batch, Entry, LAST_POSITION, Wanted, chain};
use crate::transport::{ErrorKind, TransportError};

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// So many appends at most go together.
pub(super) const MOST: usize = 256;

/// How many rows one statement inserts: few sizes, so that each is prepared once. What one command says is one statement.
const SIZES: [usize; 6] = [100, 16, 4, 3, 2, 1];

/// Those that insert; those that do so if nothing is behind a position; and if nothing about an entity is.
static INSERTS: LazyLock<[[SqlStr; 6]; 3]> = LazyLock::new(|| {
    [IF_ANYTHING, IF_NOTHING, IF_NOTHING_ABOUT].map(|holds| SIZES.map(|rows| insert_sql(rows, holds)))
});

const IF_ANYTHING: &str = "";
/// `{since}` is there, or is 0, and nothing behind it.
const IF_NOTHING: &str = "AND coalesce(r.id, s.id << 40) = (s.id << 40) + {since}";
/// `{since}` is there, or is 0, and no record of `{entity}` behind it.
const IF_NOTHING_ABOUT: &str = "AND coalesce(r.id, s.id << 40) >= (s.id << 40) + {since} AND NOT EXISTS (
    SELECT 1 FROM convoke_record AS n
    WHERE n.id > (s.id << 40) + {since} AND n.id < (s.id + 1) << 40 AND n.entity = {entity})";

/// The statement that inserts so many rows behind the last one of a store, if the store is in this file and this holds.
fn insert_sql(rows: usize, holds: &str) -> SqlStr {
    let sql = if rows == 1 { insert_one(holds) } else { insert_many(rows, holds) };
    AssertSqlSafe(sql).into_sql_str()
}

/// The last row is looked up once; `LIMIT` has what is named in the inner part looked up once too, without a copy of the bodies.
/// The checksum is a sum, see `row.rs`.
fn insert_many(rows: usize, holds: &str) -> String {
    let values = vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ");
    let holds = holds.replace("{since}", "?").replace("{entity}", "?");
    format!(
        "WITH head (base, last, at) AS MATERIALIZED (
            SELECT s.id << 40, coalesce(r.id, s.id << 40), max(coalesce(r.at, 0), ?)
            FROM convoke_store AS s LEFT JOIN convoke_record AS r ON r.id = (
                SELECT max(l.id) FROM convoke_record AS l WHERE l.id > s.id << 40 AND l.id < (s.id + 1) << 40)
            WHERE s.id = ? AND s.tag = ? {holds}
        ), new (place, earlier, digest, topic, entity, body) AS (VALUES {values})
        INSERT INTO convoke_record (id, at, before, checksum, topic, entity, body)
        SELECT id, at, before, digest + (id & {LAST_POSITION}) + (before << 20) + (at << 8), topic, entity, body
        FROM (
            SELECT head.last + new.place AS id, head.at AS at, CASE
                WHEN new.entity IS NULL THEN 0
                WHEN new.earlier > 0 THEN (head.last & {LAST_POSITION}) + new.earlier
                ELSE coalesce((SELECT o.id FROM convoke_record AS o
                    WHERE o.entity = new.entity AND o.id > head.base AND o.id <= head.last
                    ORDER BY o.id DESC LIMIT 1) & {LAST_POSITION}, 0)
            END AS before, new.digest, new.topic, new.entity, new.body
            FROM new CROSS JOIN head LIMIT -1
        )"
    )
}

/// The same of one row, without a table of its own for what is new.
fn insert_one(holds: &str) -> String {
    let holds = holds.replace("{since}", "?4").replace("{entity}", "?5");
    format!(
        "INSERT INTO convoke_record (id, at, before, checksum, topic, entity, body)
        SELECT id, at, before, ?6 + (id & {LAST_POSITION}) + (before << 20) + (at << 8), ?7, ?8, ?9
        FROM (
            SELECT coalesce(r.id, s.id << 40) + 1 AS id, max(coalesce(r.at, 0), ?1) AS at,
                coalesce((SELECT o.id FROM convoke_record AS o
                    WHERE o.entity = ?8 AND o.id > s.id << 40 AND o.id < (s.id + 1) << 40
                    ORDER BY o.id DESC LIMIT 1) & {LAST_POSITION}, 0) AS before
            FROM convoke_store AS s LEFT JOIN convoke_record AS r ON r.id = (
                SELECT max(l.id) FROM convoke_record AS l WHERE l.id > s.id << 40 AND l.id < (s.id + 1) << 40)
            WHERE s.id = ?2 AND s.tag = ?3 {holds} LIMIT -1
        )"
    )
}

/// The statement that inserts so many of these, with its values. Places and `earlier` count from behind the last row that there
/// is: of those that come with it so many are there already.
fn insert(
    records: &SqliteRecords,
    size: usize,
    entries: impl Iterator<Item = Entry>,
    done: i64,
    wanted: Option<&Wanted>,
    now: i64,
) -> Query {
    let kind = wanted.map_or(0, |wanted| 1 + usize::from(wanted.entity.is_some()));
    let place = SIZES.iter().position(|of| *of == size).unwrap_or_default();
    let query = sqlx::query(INSERTS[kind][place].clone());
    let mut query = query.bind(now).bind(records.id).bind(i64::from(records.tag));
    let since = wanted.map(|wanted| wanted.since.cast_signed());
    let entity = wanted.and_then(|wanted| wanted.entity.clone());
    if size == 1 {
        query = query.bind(since).bind(entity);
        for Entry { topic, entity, digest, body, .. } in entries {
            query = query.bind(digest).bind(topic).bind(entity).bind(body);
        }
        return query;
    }
    if let Some(since) = since {
        query = query.bind(since);
        if let Some(entity) = entity {
            query = query.bind(since).bind(entity);
        }
    }
    for (place, Entry { topic, entity, earlier, digest, body }) in (1_i64..).zip(entries) {
        // What an earlier statement has inserted is found as what was there before.
        let earlier = (i64::from(earlier) - done).max(0);
        query = query.bind(place).bind(earlier).bind(digest).bind(topic).bind(entity).bind(body);
    }
    query
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
    let result = add_together(records, connection, asked, now).await;
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

/// One statement is a transaction by itself, and what is more is one transaction.
async fn add_together(
    records: &SqliteRecords,
    connection: &mut SqliteConnection,
    mut asked: Vec<Asked>,
    now: Instant,
) -> Result<Vec<Result<Appended, TransportError>>, sqlx::Error> {
    if let [one] = &mut *asked
        && one.until > now
        && SIZES.contains(&one.batch.entries.len())
    {
        match &one.batch.condition {
            None => return add_some(records, connection, asked, now).await,
            Some(wanted) => {
                if let Some(at) = add_if(records, connection, &one.batch.entries, wanted).await? {
                    return Ok(vec![Ok(at)]);
                }
            }
        }
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let added = add_some(records, &mut transaction, asked, now).await?;
    transaction.commit().await?;
    Ok(added)
}

/// Adds by one statement, unless something is in the way that may be what the condition means. Then nothing was added, and it
/// has to be looked at.
async fn add_if(
    records: &SqliteRecords,
    connection: &mut SqliteConnection,
    entries: &[Entry],
    wanted: &Wanted,
) -> Result<Option<Appended>, sqlx::Error> {
    if wanted.entity.is_none() && !wanted.patterns.is_empty() {
        // Of topics alone something else is nearly always in the way.
        return Ok(None);
    }
    let query = insert(records, entries.len(), entries.iter().cloned(), 0, Some(wanted), time());
    let inserted = query.execute(connection).await?;
    Ok((inserted.rows_affected() > 0).then(|| at(&inserted)))
}

/// Where the last row is that was inserted.
fn at(inserted: &SqliteQueryResult) -> Appended {
    Appended::At(inserted.last_insert_rowid().cast_unsigned() & LAST_POSITION)
}

fn time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    i64::try_from(now).unwrap_or_default()
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
    if let Some(wanted) = &batch.condition {
        if SIZES.contains(&batch.entries.len())
            && let Some(at) = add_if(records, connection, &batch.entries, wanted).await?
        {
            return Ok(Ok(at));
        }
        if let Some(met) = meet(records, connection, wanted).await? {
            return Ok(Ok(met));
        }
    }
    let (now, mut entries) = (time(), batch.entries.into_iter());
    let (mut last, mut done) = (None, 0);
    for size in SIZES {
        while entries.len() >= size {
            let query = insert(records, size, entries.by_ref().take(size), done, None, now);
            let inserted = query.execute(&mut *connection).await?;
            if inserted.rows_affected() == 0 {
                let text = "the transaction is of another database, in which this store is not: begin it with `begin()` of the \
                    database that the store is from";
                return Ok(Err(TransportError::new(ErrorKind::Missing, records.at.clone(), text)));
            }
            last = Some(at(&inserted));
            done += i64::try_from(size).unwrap_or_default();
        }
    }
    Ok(Ok(match last {
        Some(last) => last,
        None => Appended::At(head(connection, records.id).await?),
    }))
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

/// Returns the names of the stores in this file from this one on.
pub(super) async fn names(
    connection: &mut SqliteConnection,
    from: &str,
    most: usize,
) -> Result<Vec<Arc<str>>, sqlx::Error> {
    let list = "SELECT name FROM convoke_store WHERE name >= ?1 ORDER BY name LIMIT ?2";
    let list = sqlx::query_scalar::<_, String>(list).bind(from.to_owned());
    let names = list.bind(i64::try_from(most).unwrap_or(i64::MAX)).fetch_all(connection).await?;
    Ok(names.into_iter().map(Into::into).collect())
}

/// Makes a store in this file. One that is there stays as it is.
pub(super) async fn make(connection: &mut SqliteConnection, name: &str) -> Result<(i64, u32), sqlx::Error> {
    let tag = i64::try_from(crate::__private::random() >> 32).unwrap_or_default();
    let make = "INSERT INTO convoke_store (tag, name) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    sqlx::query(make).bind(tag).bind(name.to_owned()).execute(&mut *connection).await?;
    find(connection, name).await?.ok_or(sqlx::Error::RowNotFound)
}
