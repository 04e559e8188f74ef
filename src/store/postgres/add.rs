//! How records get into the table: several appends as one message, which is one transaction.
//!
//! `Asked, Asked → those without a condition together → convoke_append_1 → convoke_record`

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tokio::time::Instant;

use super::records::{Asked, PostgresRecords};
use super::text;
use crate::sql::postgres::{BEGIN, COMMITTED, Failed, WITHIN, body_of, describe, is_within, late};
use crate::store::{Appended, Batch, Entry, Wanted, chain};
use crate::transport::{ErrorKind, TransportError};

/// So many appends, or bytes, are one transaction.
pub(super) const MOST: usize = 256;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Beyond so many bytes it takes the server longer to read them in a text than to be asked three times more.
const LARGE: usize = 32 * 1024;

/// Appends that are one call: those without a condition, that follow each other, or one.
struct Call {
    entries: Vec<Entry>,
    condition: Option<Wanted>,
    /// Behind how many entries each of the appends ends.
    ends: Vec<u64>,
}

impl Call {
    /// A call for each of the appends.
    fn apart(self) -> Vec<Self> {
        let Self { entries, condition, ends } = self;
        let (mut entries, mut start) = (entries.into_iter(), 0);
        let one = |end: u64| {
            let count = usize::try_from(end.saturating_sub(start)).unwrap_or_default();
            start = end;
            let mut own: Vec<_> = entries.by_ref().take(count).collect();
            chain(&mut own);
            Self { ends: vec![own.len() as u64], entries: own, condition: condition.clone() }
        };
        ends.into_iter().map(one).collect()
    }
}

/// Adds what was asked for; each has its own result.
pub(super) async fn add_all(records: &PostgresRecords, asked: Vec<Asked>) -> Vec<Result<Appended, TransportError>> {
    let mut results = Vec::with_capacity(asked.len());
    let mut asked = asked.into_iter().peekable();
    while asked.peek().is_some() {
        let (mut calls, mut bytes, mut until) = (Vec::<Call>::new(), 0, None);
        while let Some(next) = asked.next_if(|next| bytes == 0 || bytes + next.bytes <= MOST_BYTES) {
            bytes += next.bytes.max(1);
            until = until.max(Some(next.until));
            let Batch { mut entries, condition } = next.batch;
            match calls.last_mut() {
                Some(last) if last.condition.is_none() && condition.is_none() => {
                    last.entries.append(&mut entries);
                    last.ends.push(last.entries.len() as u64);
                }
                _ => calls.push(Call { ends: vec![entries.len() as u64], entries, condition }),
            }
        }
        calls.iter_mut().filter(|call| call.ends.len() > 1).for_each(|call| chain(&mut call.entries));
        results.extend(add_some(records, calls, until.unwrap_or_else(Instant::now)).await);
    }
    results
}

async fn add_some(
    records: &PostgresRecords,
    mut calls: Vec<Call>,
    until: Instant,
) -> Vec<Result<Appended, TransportError>> {
    let deadline = until.saturating_duration_since(Instant::now());
    let said = match &mut *calls {
        [one] => add_by_name(records, one, deadline).await,
        _ => None,
    };
    let rows = match &mut *calls {
        _ if let Some(said) = said => said,
        [one] if one.entries.iter().map(|entry| entry.body.len()).sum::<usize>() > LARGE => {
            add_large(records, one, deadline).await.map(|row| vec![row])
        }
        calls => {
            let text = |call: &Call| {
                let known = records.known.of(&call.entries);
                let schema = records.database.schema();
                text::call(schema, records.id, records.tag, &call.entries, known, call.condition.as_ref())
            };
            let texts: Vec<_> = calls.iter().map(text).collect();
            records.database.rows_of(&records.at, deadline, &texts.join("; "), texts.len()).await
        }
    };
    let mut rows = match rows {
        Ok(rows) => rows.into_iter(),
        // One of them is refused, and who has come with it is not.
        Err(error) if !error.is_temporary() && calls.iter().map(|call| call.ends.len()).sum::<usize>() > 1 => {
            let mut results = Vec::new();
            for one in calls.into_iter().flat_map(Call::apart) {
                results.extend(Box::pin(add_some(records, vec![one], until)).await);
            }
            return results;
        }
        Err(error) => return calls.iter().flat_map(|call| vec![Err(error.clone()); call.ends.len()]).collect(),
    };
    let mut results = Vec::new();
    let mut added = 0;
    for call in calls {
        let appended = match rows.next() {
            Some(row) => told(&records.at, &row, call.condition.as_ref()),
            None => Err(late(&records.at, deadline)),
        };
        if let Ok(Appended::At(last)) = &appended {
            records.known.learn(&call.entries, *last);
        }
        let count = call.entries.len() as u64;
        results.extend(call.ends.into_iter().map(|end| match &appended {
            Ok(Appended::At(last)) => {
                added += 1;
                Ok(Appended::At(last - count + end))
            }
            other => other.clone(),
        }));
    }
    if added > 0 {
        records.ring(added);
    }
    results
}

/// Adds by a statement with a name, if there has been much to add: the server need not read and plan it, nor bytes as text.
async fn add_by_name(
    records: &PostgresRecords,
    call: &mut Call,
    deadline: Duration,
) -> Option<Result<Vec<PgRow>, TransportError>> {
    let lease = records.own.take(&records.database, &records.at).await?;
    let given = Arc::new(Given::of(records, &mut call.entries, call.condition.clone()));
    let lent = given.clone();
    let said = lease.say(&records.at, deadline, move |connection| {
        Box::pin(async move { Ok(lent.call(COMMITTED, connection).await?.into_iter().collect()) })
    });
    let said = said.await;
    // Whoever has to say it otherwise needs them.
    if let Some(given) = Arc::into_inner(given) {
        given.give_back(&mut call.entries);
    }
    said
}

/// Adds much: values as bytes need more than one message, so it is a transaction that is begun and ended.
async fn add_large(records: &PostgresRecords, call: &mut Call, deadline: Duration) -> Result<PgRow, TransportError> {
    let given = Arc::new(Given::of(records, &mut call.entries, call.condition.clone()));
    let added = records.database.in_time(&records.at, deadline, |connection| {
        let given = given.clone();
        Box::pin(async move {
            let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
            let row = given.call("true", &mut transaction).await.map_err(Failed::undone)?;
            transaction.commit().await?;
            Ok(row)
        })
    });
    added.await?.ok_or_else(|| describe(&records.at, &sqlx::Error::RowNotFound))
}

/// What the function has returned.
fn told(at: &Arc<str>, row: &PgRow, condition: Option<&Wanted>) -> Result<Appended, TransportError> {
    let read = || {
        let (head, conflict): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        Ok((head.map(i64::cast_unsigned), conflict))
    };
    let (head, conflict) = read().map_err(|error: sqlx::Error| describe(at, &error))?;
    match (head, conflict) {
        (Some(head), None) => Ok(Appended::At(head)),
        (Some(head), Some(-1)) => Ok(Appended::Ahead(head)),
        (Some(_), Some(position)) => {
            let body = body(row).map_err(|error| describe(at, &error))?;
            debug_assert!(condition.is_some_and(|wanted| position.cast_unsigned() > wanted.since));
            Ok(Appended::Conflict(position.cast_unsigned(), body))
        }
        (None, _) => {
            let text = "the store is not in this database: begin the transaction in the database that the store is from, or \
                open the store again if its database was replaced";
            Err(TransportError::new(ErrorKind::Missing, at.clone(), text))
        }
    }
}

/// As text from a simple query, or as bytes.
fn body(row: &PgRow) -> Result<Vec<u8>, sqlx::Error> {
    match row.try_get_raw(2)?.format() {
        sqlx::postgres::PgValueFormat::Text => body_of(row, 2),
        sqlx::postgres::PgValueFormat::Binary => row.try_get(2),
    }
}

/// Adds within the transaction of the application.
pub(super) async fn add_within(
    records: &PostgresRecords,
    mut batch: Batch,
    connection: &mut PgConnection,
) -> Result<Appended, TransportError> {
    if !connection.is_in_transaction() {
        return Err(no_transaction(&records.at));
    }
    let given = Given::of(records, &mut batch.entries, batch.condition);
    // Longer than the server waits for the lock: what it still does when nobody listens any more may be committed.
    let deadline = records.database.deadline().saturating_add(PATIENCE);
    let added = tokio::time::timeout(deadline, async {
        match given.call(WITHIN, connection).await? {
            None if is_within(connection).await? => given.call("true", connection).await,
            row => Ok(row),
        }
    });
    let row = match added.await {
        Ok(Ok(Some(row))) => row,
        Ok(Ok(None)) => return Err(no_transaction(&records.at)),
        Ok(Err(error)) => return Err(describe_within(&records.at, &error)),
        Err(_) => return Err(late(&records.at, deadline)),
    };
    let appended = told(&records.at, &row, given.wanted.as_ref())?;
    records.hint();
    Ok(appended)
}

fn no_transaction(at: &Arc<str>) -> TransportError {
    let text = "there is no transaction, and the event would be there by itself: begin one, as by `db.begin()`, and append \
        before its commit";
    TransportError::new(ErrorKind::Refused, at.clone(), text)
}

/// How long the server waits for the lock of a store, unless `lock_timeout` is set: `convoke_append_1` says it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went wrong in a transaction that is not ours, which only its owner can begin again.
fn describe_within(at: &Arc<str>, error: &sqlx::Error) -> TransportError {
    let code = error.as_database_error().and_then(|error| error.code());
    let (kind, text) = match code.as_deref() {
        Some("42883" | "42P01" | "3F000") => (
            ErrorKind::Missing,
            "the transaction is of a database that has no store: begin it in the store's own, or call `migrate()` there",
        ),
        Some("55P03") => (
            ErrorKind::Unreachable,
            "another transaction that is still open has appended to this store, and was waited for: end it sooner, roll this \
             one back, and try again",
        ),
        Some("40P01") => (
            ErrorKind::Unreachable,
            "two transactions waited for the stores of each other, and the server has undone this one: begin it again, and \
             append to several stores in one order",
        ),
        Some("23505" | "40001") => (
            ErrorKind::Unreachable,
            "somebody has appended since this transaction began, which it does not see by its isolation: begin it again",
        ),
        _ => return describe(at, error),
    };
    TransportError::new(kind, at.clone(), text)
}

/// What the function is given, as values of a statement: an array is one.
struct Given {
    schema: String,
    store: i32,
    tag: i64,
    topics: Vec<String>,
    entities: Vec<Option<String>>,
    earlier: Vec<i32>,
    known: Vec<i64>,
    digests: Vec<i64>,
    bodies: Vec<Vec<u8>>,
    wanted: Option<Wanted>,
}

impl Given {
    /// Takes what is large out of the entries.
    fn of(records: &PostgresRecords, entries: &mut [Entry], wanted: Option<Wanted>) -> Self {
        Self {
            schema: records.database.schema().to_owned(),
            store: records.id,
            tag: records.tag.into(),
            known: records.known.of(entries),
            entities: entries.iter().map(|entry| entry.entity.clone()).collect(),
            earlier: entries.iter().map(|entry| i32::try_from(entry.earlier).unwrap_or_default()).collect(),
            digests: entries.iter().map(|entry| entry.digest).collect(),
            topics: entries.iter_mut().map(|entry| std::mem::take(&mut entry.topic)).collect(),
            bodies: entries.iter_mut().map(|entry| std::mem::take(&mut entry.body)).collect(),
            wanted,
        }
    }

    /// Puts back what was taken out of the entries.
    fn give_back(self, entries: &mut [Entry]) {
        for ((entry, topic), body) in entries.iter_mut().zip(self.topics).zip(self.bodies) {
            (entry.topic, entry.body) = (topic, body);
        }
    }

    /// Calls the function if this holds; nothing comes back if it does not.
    async fn call(&self, holds: &str, connection: &mut PgConnection) -> Result<Option<PgRow>, sqlx::Error> {
        let schema = &self.schema;
        let sql = format!(
            "SELECT * FROM {schema}.convoke_append_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WHERE {holds}"
        );
        let wanted = self.wanted.as_ref();
        // A statement with a name stays on the server for as long as its connection, so only a pool that keeps some gets another.
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(connection.cached_statements_size() > 0);
        let query = query.bind(self.store).bind(self.tag).bind(&self.topics).bind(&self.entities);
        let query = query.bind(&self.earlier).bind(&self.known).bind(&self.digests).bind(&self.bodies);
        let query = query.bind(wanted.map(|wanted| wanted.since.cast_signed()));
        let query = query.bind(wanted.and_then(|wanted| text::regex_of(&wanted.patterns)));
        query.bind(wanted.and_then(|wanted| wanted.entity.clone())).fetch_optional(connection).await
    }
}
