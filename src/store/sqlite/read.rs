//! How records are read from a file, on a connection that waits for nobody who writes.
//!
//! `Span → SELECT: many records as one row, unless one of them is large → Row`

use std::sync::LazyLock;

use futures_util::TryStreamExt;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, SqliteConnection};

use super::records::SqliteRecords;
use crate::Pattern;
use crate::sql::sqlite::{Joined, join};
use crate::store::{LAST_POSITION, Page, Row, Span};
use crate::transport::{ErrorKind, TransportError};

/// So many records at most are one row: what is joined is small, so that they are some MiB.
const JOINED: usize = 256;

/// What is read beside the id and the body.
type Beside = (i64, i64, i64, String, Option<String>);

static JOIN: LazyLock<String> =
    LazyLock::new(|| join("id", "at, before, checksum, topic, entity", "body", &["topic", "entity"]));

pub(super) async fn head(records: &SqliteRecords) -> Result<u64, TransportError> {
    let sql = |error: sqlx::Error| records.error(&error);
    let mut reader = records.read().await?;
    // Both of one moment: others append meanwhile.
    let ends = sqlx::query_as::<_, (Option<i64>, Option<i64>)>(
        "SELECT (SELECT max(id) FROM convoke_record WHERE id > ?1 AND id <= ?2), \
         (SELECT id FROM convoke_record WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1)",
    );
    let (first, last) = bounds(records.id, 0, LAST_POSITION);
    match ends.bind(first).bind(last).fetch_one(&mut *reader).await.map_err(sql)? {
        (Some(last), _) => Ok(last.cast_unsigned() & LAST_POSITION),
        (None, None) => Ok(0),
        // SQLite reads what was cut off as zeros, and finds no last row in a page of them.
        (None, Some(_)) => {
            let text =
                "the file is damaged at its end: recover it with `sqlite3 … .recover`, or restore it from a copy";
            Err(TransportError::new(ErrorKind::Refused, records.at.clone(), text))
        }
    }
}

pub(super) async fn time_at(records: &SqliteRecords, position: u64) -> Result<Option<(u64, i64)>, TransportError> {
    let mut reader = records.read().await?;
    let (first, last) = bounds(records.id, position, LAST_POSITION);
    let found = sqlx::query_as::<_, (i64, i64)>(
        "SELECT id, at FROM convoke_record WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1",
    );
    let found = found.bind(first).bind(last).fetch_optional(&mut *reader).await;
    let found = found.map_err(|error| records.error(&error))?;
    Ok(found.map(|(id, at)| (id.cast_unsigned() & LAST_POSITION, at)))
}

pub(super) async fn page(records: &SqliteRecords, span: &Span) -> Result<Page, TransportError> {
    let sql = |error: sqlx::Error| records.error(&error);
    let mut reader = records.read().await?;
    let (first, last) = bounds(records.id, span.first, span.last);
    let mut page = Page { is_last: true, ..Page::default() };
    if !span.patterns.is_empty() {
        let count = "SELECT count(*) FROM convoke_record WHERE id >= ? AND id <= ?";
        let counted = sqlx::query_scalar::<_, i64>(count).bind(first).bind(last).fetch_one(&mut *reader).await;
        page.counted = Some(counted.map_err(sql)?.cast_unsigned());
    }
    let select = Select { span, first, last };
    if records.joins() {
        match select.joined(&mut reader).await.map_err(sql)? {
            Some((rows, is_last)) if rows.iter().all(|row| row.is_whole(records.tag)) => {
                return Ok(Page { rows, is_last, ..page });
            }
            // Something is large or damaged, and there may be more of it.
            _ => records.pause_joins(),
        }
    }
    let (columns, most) = ("id, at, before, checksum, topic, entity, body", span.most.saturating_add(1));
    let mut rows = select.query(columns, "", most).fetch(&mut *reader);
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await.map_err(sql)? {
        if page.rows.len() >= span.most || bytes > span.bytes {
            page.is_last = false;
            break;
        }
        let row = read_row(&row).map_err(sql)?;
        bytes += row.body.len();
        page.rows.push(row);
    }
    Ok(page)
}

/// Which records, in which order.
struct Select<'a> {
    span: &'a Span,
    first: i64,
    last: i64,
}

impl Select<'_> {
    /// Reads these columns of `most` of them; `outer` is what is made of all of them.
    fn query(&self, columns: &str, outer: &str, most: usize) -> Query<'static, Sqlite, SqliteArguments> {
        let span = self.span;
        let order = if span.backward { "DESC" } else { "ASC" };
        let entity = if span.entity.is_some() { "AND entity = ?" } else { "" };
        let topics = match span.patterns.len() {
            0 => String::new(),
            count => format!("AND ({})", vec!["topic GLOB ?"; count].join(" OR ")),
        };
        let mut text = format!(
            "SELECT {columns} FROM convoke_record WHERE id >= ? AND id <= ? {entity} {topics} ORDER BY id {order} LIMIT ?"
        );
        if !outer.is_empty() {
            text = format!("SELECT {outer} FROM ({text})");
        }
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(self.first).bind(self.last);
        if let Some(entity) = &span.entity {
            query = query.bind(entity.clone());
        }
        for pattern in &span.patterns {
            query = query.bind(glob_of(pattern));
        }
        query.bind(i64::try_from(most).unwrap_or(i64::MAX))
    }

    /// Reads them as one row, and whether there is nothing behind them; none if one of them is large, or the file is not as
    /// it was written, which is seen when they are read one by one.
    async fn joined(&self, reader: &mut SqliteConnection) -> Result<Option<(Vec<Row>, bool)>, sqlx::Error> {
        let most = self.span.most.min(JOINED);
        let row = self.query("*", &JOIN, most.saturating_add(1)).fetch_one(reader).await?;
        let Ok(Joined { mut small, large }) = Joined::<Beside>::read(&row) else { return Ok(None) };
        if !large.is_empty() {
            return Ok(None);
        }
        let is_last = small.len() <= most;
        small.truncate(most);
        let row = |(id, (at, before, checksum, topic, entity), body): (i64, Beside, Vec<u8>)| Row {
            position: id.cast_unsigned() & LAST_POSITION,
            at,
            before: before.cast_unsigned(),
            checksum,
            topic,
            entity,
            body,
        };
        Ok(Some((small.into_iter().map(row).collect(), is_last)))
    }
}

/// What matches at least what the pattern does: who reads looks again.
fn glob_of(pattern: &Pattern) -> String {
    let mut glob = String::new();
    // Behind `**` no slash is sure, for it may stand for nothing.
    let mut is_sure = false;
    for segment in pattern.as_str().split('/') {
        if segment == "**" {
            glob.push('*');
            is_sure = false;
            continue;
        }
        if std::mem::replace(&mut is_sure, true) {
            glob.push('/');
        }
        for letter in segment.chars() {
            match letter {
                '[' | '?' => glob.extend(['[', letter, ']']),
                letter => glob.push(letter),
            }
        }
    }
    glob
}

/// From which row to which, of a store.
fn bounds(id: i64, first: u64, last: u64) -> (i64, i64) {
    let base = id << 40;
    (base + first.min(LAST_POSITION).cast_signed(), base + last.min(LAST_POSITION).cast_signed())
}

fn read_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        position: row.try_get::<i64, _>(0)?.cast_unsigned() & LAST_POSITION,
        at: row.try_get(1)?,
        before: row.try_get::<i64, _>(2)?.cast_unsigned(),
        checksum: row.try_get(3)?,
        topic: row.try_get(4)?,
        entity: row.try_get(5)?,
        body: row.try_get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_lets_everything_through_that_the_pattern_matches() {
        let of = |pattern: &str| glob_of(&Pattern::new(pattern).unwrap());
        assert_eq!(of("orders/*"), "orders/*");
        assert_eq!(of("orders/**"), "orders*");
        assert_eq!(of("**/late"), "*late");
        assert_eq!(of("a/**/b/*"), "a*b/*");
        assert_eq!(of("a[1]/b?"), "a[[]1]/b[?]");
        assert_eq!(of("**"), "*");
    }
}
