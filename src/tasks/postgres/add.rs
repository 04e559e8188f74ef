//! How jobs get into the table: one statement, however many they are.
//!
//! `NewJob → insert.rs, if they are alike and not unique`, `→ Columns → convoke_job_add_1 → convoke_job`

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tokio::time::timeout;

use super::insert::Alike;
use super::jobs::PostgresJobs;
use crate::sql::postgres::{ALONE, WITHIN, array, is_within, late, quoted};
use crate::tasks::queue::{key_of, lane_of, micros, wait_of};
use crate::tasks::{Added, NewJob};
use crate::transport::{ErrorKind, TransportError};

/// How long the server waits for a unique key, unless `lock_timeout` is set: `convoke_job_add_1` says it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Jobs as columns: one array is one value of a statement.
#[derive(Default)]
pub(super) struct Columns {
    lanes: Vec<i64>,
    queues: Vec<String>,
    tasks: Vec<String>,
    payloads: Vec<String>,
    attempts: Vec<i32>,
    dues: Vec<i64>,
    heads: Vec<i64>,
    expires: Vec<Option<i64>>,
    keys: Vec<Option<i64>>,
    uniques: Vec<Option<String>>,
    holds: Vec<i16>,
    times: Vec<Option<i64>>,
    causes: Vec<Option<String>>,
}

impl Columns {
    pub(super) fn of(jobs: Vec<NewJob>) -> Self {
        let mut columns = Self::default();
        for job in jobs {
            columns.lanes.push(lane_of(&job.queue, &job.task));
            columns.keys.push(job.key.as_ref().map(|key| key_of(&job.task, key)));
            columns.queues.push(job.queue.to_string());
            columns.tasks.push(job.task.to_string());
            columns.payloads.push(job.payload);
            columns.attempts.push(job.attempts.try_into().unwrap_or(i32::MAX));
            columns.dues.push(wait_of(job.due));
            columns.heads.push(micros(job.head_start));
            columns.expires.push(job.expires.map(micros));
            let (key, hold, time) = match job.unique {
                None => (None, 0, None),
                Some(hold) => (Some(hold.key), if hold.running { 1 } else { 2 }, hold.time.map(micros)),
            };
            columns.uniques.push(key);
            columns.holds.push(hold);
            columns.times.push(time);
            columns.causes.push(job.cause);
        }
        columns
    }

    /// The call that adds them, with their values in its text, so that it is one message.
    pub(super) fn call(&self, schema: &str, database: &str) -> String {
        let numbers =
            |numbers: &[Option<i64>]| array(numbers.iter().map(|n| n.map_or("NULL".to_owned(), |n| n.to_string())));
        format!(
            "SELECT {schema}.convoke_job_add_1({}, '{}', {}, {}, {}, '{}', '{}', '{}', '{}', '{}', {}, '{}', '{}', {})",
            quoted(database),
            array(self.lanes.iter()),
            texts(self.queues.iter().map(|text| Some(&**text))),
            texts(self.tasks.iter().map(|text| Some(&**text))),
            texts(self.payloads.iter().map(|text| Some(&**text))),
            array(self.attempts.iter()),
            array(self.dues.iter()),
            array(self.heads.iter()),
            numbers(&self.expires),
            numbers(&self.keys),
            texts(self.uniques.iter().map(Option::as_deref)),
            array(self.holds.iter()),
            numbers(&self.times),
            texts(self.causes.iter().map(Option::as_deref)),
        )
    }
}

/// Texts as an array of SQL.
pub(super) fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut sql = String::from("ARRAY[");
    for (place, text) in texts.enumerate() {
        if place > 0 {
            sql.push_str(", ");
        }
        sql.push_str(&text.map_or("NULL".to_owned(), quoted));
    }
    sql.push_str("]::text[]");
    sql
}

pub(super) fn added(numbers: Vec<i64>) -> Vec<Added> {
    let one = |number: i64| if number < 0 { Added::Existing(-number) } else { Added::New(number) };
    numbers.into_iter().map(one).collect()
}

pub(super) async fn add(jobs: &PostgresJobs, new: Vec<NewJob>) -> Result<Vec<Added>, TransportError> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let count = new.len();
    let call = || {
        let (schema, id) = (jobs.database.schema(), jobs.id());
        let call = match Alike::of(&new) {
            Some(alike) => alike.call(schema, &id),
            None => Columns::of(new.clone()).call(schema, &id),
        };
        format!("{call} WHERE {ALONE}")
    };
    let sent = async || jobs.database.rows_of(&jobs.at, jobs.database.deadline(), &call(), 1).await;
    let mut rows = sent().await;
    if rows.as_ref().is_err_and(|error| error.kind() == ErrorKind::Missing) {
        // The database was replaced: what is added now is in the one that is there.
        jobs.learn_id().await?;
        rows = sent().await;
    }
    let numbers = jobs.value::<Option<Vec<i64>>>(&rows?)?.unwrap_or_default();
    jobs.ring(count);
    Ok(added(numbers))
}

pub(super) async fn add_within(
    jobs: &PostgresJobs,
    new: Vec<NewJob>,
    connection: &mut PgConnection,
) -> Result<Vec<Added>, TransportError> {
    if !connection.is_in_transaction() {
        return Err(jobs.no_transaction());
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    // Longer than the server waits for a key: what it still does when nobody listens any more may be committed.
    let deadline = jobs.database.deadline().saturating_add(PATIENCE);
    let inserted = timeout(deadline, async {
        if let Some(alike) = Alike::of(&new) {
            return match alike.insert(jobs, WITHIN, connection).await? {
                None if is_within(connection).await? => alike.insert(jobs, "true", connection).await,
                numbers => Ok(numbers),
            };
        }
        let columns = Columns::of(new);
        match insert(jobs, &columns, WITHIN, connection).await? {
            None if is_within(connection).await? => insert(jobs, &columns, "true", connection).await,
            numbers => Ok(numbers),
        }
    });
    let numbers = match inserted.await {
        Ok(Ok(Some(numbers))) => numbers,
        Ok(Ok(None)) => return Err(jobs.no_transaction()),
        Ok(Err(error)) => return Err(jobs.error_within(&error)),
        Err(_) => return Err(late(&jobs.at, deadline)),
    };
    jobs.hint();
    Ok(added(numbers))
}

/// Inserts them if this holds; nothing comes back if it does not.
async fn insert(
    jobs: &PostgresJobs,
    columns: &Columns,
    holds: &str,
    connection: &mut PgConnection,
) -> Result<Option<Vec<i64>>, sqlx::Error> {
    let schema = jobs.database.schema();
    let sql = format!(
        "SELECT {schema}.convoke_job_add_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) WHERE {holds}"
    );
    // A statement with a name stays on the server for as long as its connection, so only a pool that keeps some gets another.
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(connection.cached_statements_size() > 0);
    let query = query.bind(jobs.id().to_string()).bind(&columns.lanes).bind(&columns.queues).bind(&columns.tasks);
    let query = query.bind(&columns.payloads).bind(&columns.attempts).bind(&columns.dues).bind(&columns.heads);
    let query = query.bind(&columns.expires).bind(&columns.keys).bind(&columns.uniques).bind(&columns.holds);
    let row = query.bind(&columns.times).bind(&columns.causes).fetch_optional(connection).await?;
    row.map(|row| row.try_get(0)).transpose()
}
