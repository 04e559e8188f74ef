//! How records are read: values as bytes, not as text, by one message that only reads and holds no lock.
//!
//! `Span → SELECT → Row`

use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _, ValueRef as _};

use super::records::PostgresRecords;
use super::text::regex_of;
use crate::sql::postgres::{Failed, describe, quoted};
use crate::store::{Page, Row, Span};
use crate::transport::{ErrorKind, TransportError};

/// Where nobody has counted yet how many records there are, the server would read all that is behind a position, and sort it for
/// each page: 15 ms in place of 0.4 with 20,000 of them. What is set ends with the message, which is one transaction.
const BY_INDEX: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; SET LOCAL enable_seqscan = off; \
    SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";

pub(super) async fn head(records: &PostgresRecords) -> Result<u64, TransportError> {
    let (schema, id, tag) = (records.database.schema(), records.id, records.tag);
    let last = format!(
        "SELECT coalesce((SELECT position FROM {schema}.convoke_record WHERE store = {id} ORDER BY position DESC LIMIT 1), 0) \
         FROM {schema}.convoke_store WHERE id = {id} AND tag = {tag}"
    );
    let rows = records.database.rows(&records.at, records.database.deadline(), &last).await?;
    let Some(row) = rows.first() else {
        let text = "the database was replaced, and is another store: open it again, and read it from the beginning";
        return Err(TransportError::new(ErrorKind::Missing, records.at.clone(), text));
    };
    row.try_get::<i64, _>(0).map(i64::cast_unsigned).map_err(|error| describe(&records.at, &error))
}

pub(super) async fn time_at(records: &PostgresRecords, position: u64) -> Result<Option<(u64, i64)>, TransportError> {
    let first = format!(
        "SELECT position, at FROM {}.convoke_record WHERE store = {} AND position >= {position} ORDER BY position LIMIT 1",
        records.database.schema(),
        records.id
    );
    let rows = records.database.rows(&records.at, records.database.deadline(), &first).await?;
    let read = |row: &PgRow| Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), row.try_get(1)?));
    rows.first().map(read).transpose().map_err(|error: sqlx::Error| describe(&records.at, &error))
}

/// One message, so that a pooler cannot take the server away between two; a cursor has the server write rows as bytes in
/// answer to that, and not as text.
pub(super) async fn page(records: &PostgresRecords, span: &Span) -> Result<Page, TransportError> {
    let (database, span) = (&records.database, Arc::new(span.clone()));
    let sql: Arc<str> = sql_of(database.schema(), records.id, records.tag, &span).into();
    let read = database.in_a_message(&records.at, database.deadline(), |connection| {
        let (sql, span) = (sql.clone(), span.clone());
        Box::pin(async move { read(connection, &sql, &span).await.map_err(Failed::undone) })
    });
    read.await
}

fn sql_of(schema: &str, store: i32, tag: u32, span: &Span) -> String {
    let Span { first, last, .. } = span;
    let there = format!("{schema}.convoke_record WHERE store = {store} AND position BETWEEN {first} AND {last}");
    let order = if span.backward { "DESC" } else { "ASC" };
    let entity = span.entity.as_ref().map(|entity| format!("AND entity = {}", quoted(entity))).unwrap_or_default();
    let topic = regex_of(&span.patterns).map(|regex| format!("AND '/' || topic ~ {}", quoted(&regex)));
    let counted = if topic.is_some() { format!("; SELECT count(*) FROM {there}") } else { String::new() };
    let topic = topic.unwrap_or_default();
    let most = span.most.saturating_add(1);
    format!(
        "{BY_INDEX}; DECLARE convoke_page NO SCROLL BINARY CURSOR FOR \
         SELECT position, at, before, checksum, topic, entity, body FROM {there} {entity} {topic} \
         AND EXISTS (SELECT 1 FROM {schema}.convoke_store WHERE id = {store} AND tag = {tag}) \
         ORDER BY position {order} LIMIT {most}; FETCH ALL FROM convoke_page{counted}"
    )
}

async fn read(connection: &mut PgConnection, sql: &str, span: &Span) -> Result<Page, sqlx::Error> {
    let mut rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(connection);
    let mut page = Page { is_last: true, ..Page::default() };
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        if row.len() == 1 {
            page.counted = Some(row.try_get::<i64, _>(0)?.cast_unsigned());
        } else if page.rows.len() >= span.most || bytes > span.bytes {
            page.is_last = false;
        } else {
            let row = read_row(&row)?;
            bytes += row.body.len();
            page.rows.push(row);
        }
    }
    Ok(page)
}

/// Of a row as bytes, which the client takes for text.
fn read_row(row: &PgRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        position: number(row, 0)?.cast_unsigned(),
        at: number(row, 1)?,
        before: number(row, 2)?.cast_unsigned(),
        checksum: number(row, 3)?,
        topic: text(row, 4)?.unwrap_or_default(),
        entity: text(row, 5)?,
        body: bytes(row, 6)?.unwrap_or_default().to_vec(),
    })
}

fn bytes(row: &PgRow, column: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    value.as_bytes().map(Some).map_err(|source| wrong(column, source))
}

fn number(row: &PgRow, column: usize) -> Result<i64, sqlx::Error> {
    let bytes = bytes(row, column)?.unwrap_or_default();
    let eight = bytes.try_into().map_err(|_| wrong(column, "it is no number of eight bytes".into()))?;
    Ok(i64::from_be_bytes(eight))
}

fn text(row: &PgRow, column: usize) -> Result<Option<String>, sqlx::Error> {
    let Some(bytes) = bytes(row, column)? else { return Ok(None) };
    let text = str::from_utf8(bytes).map_err(|error| wrong(column, error.into()))?;
    Ok(Some(text.to_owned()))
}

fn wrong(column: usize, source: BoxDynError) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_string(), source }
}
