//! How attempts end: each only if it still has its job, and with the event that says how.
//!
//! `Ending → convoke_job_settle_1 → the events of those that were → the outbox, in the same transaction`

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tokio::time::timeout;

use super::add::texts;
use super::jobs::{CANCELLED, DONE, FAILED, PostgresJobs};
use crate::Uuid;
use crate::sql::postgres::{BEGIN, Failed, WITHIN, array, is_within, late, quoted};
use crate::tasks::queue::micros;
use crate::tasks::{Ending, How, Outboxes, State};
use crate::transport::{Packet, TransportError};

/// Longer than the server waits for the key of an event.
const PATIENCE: Duration = Duration::from_secs(10);

/// Endings as columns, as `convoke_job_settle_1` takes them.
struct Columns {
    ids: Vec<i64>,
    attempts: Vec<i32>,
    hows: Vec<i16>,
    states: Vec<i16>,
    times: Vec<i64>,
    texts: Vec<Option<String>>,
}

impl Columns {
    fn of(endings: &[Ending]) -> Self {
        let mut columns = Self {
            ids: endings.iter().map(|ending| ending.job).collect(),
            attempts: endings.iter().map(|ending| ending.attempt.try_into().unwrap_or(i32::MAX)).collect(),
            hows: Vec::with_capacity(endings.len()),
            states: Vec::with_capacity(endings.len()),
            times: Vec::with_capacity(endings.len()),
            texts: Vec::with_capacity(endings.len()),
        };
        // PostgreSQL keeps no text with a character of the code 0.
        let kept = |text: &str| text.replace('\0', "");
        for ending in endings {
            let (how, state, time, text) = match &ending.how {
                How::Over { state, text, keep } if keep.is_zero() => {
                    (0, number_of(*state), 0, text.as_deref().map(kept))
                }
                How::Over { state, text, keep } => {
                    let number = number_of(*state);
                    let how = if ending.counts { number } else { -number };
                    (how, number, micros(*keep), text.as_deref().map(kept))
                }
                How::Again { after, reason } => (1, 0, micros(*after), Some(kept(reason))),
                How::Released => (2, 0, 0, None),
            };
            columns.hows.push(how);
            columns.states.push(state);
            columns.times.push(time);
            columns.texts.push(text);
        }
        columns
    }

    /// Ends those that are still lent by their numbers, if this holds; nothing comes back if it does not.
    async fn end(
        &self,
        jobs: &PostgresJobs,
        holds: &str,
        connection: &mut PgConnection,
    ) -> Result<Option<HashSet<i64>>, sqlx::Error> {
        let schema = jobs.database.schema();
        // Where no statement is kept, their values stand in the text: that is one round trip, and not two.
        let row = if connection.cached_statements_size() == 0 {
            let sql = format!(
                "SELECT {schema}.convoke_job_settle_1({}, '{}', '{}', '{}', '{}', '{}', {}) WHERE {holds}",
                quoted(&jobs.id()),
                array(self.ids.iter()),
                array(self.attempts.iter()),
                array(self.hows.iter()),
                array(self.states.iter()),
                array(self.times.iter()),
                texts(self.texts.iter().map(Option::as_deref)),
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(connection).await?
        } else {
            let sql = format!("SELECT {schema}.convoke_job_settle_1($1, $2, $3, $4, $5, $6, $7) WHERE {holds}");
            let query = sqlx::query(AssertSqlSafe(sql)).bind(jobs.id().to_string());
            let query = query.bind(&self.ids).bind(&self.attempts).bind(&self.hows);
            let query = query.bind(&self.states).bind(&self.times).bind(&self.texts);
            query.fetch_optional(connection).await?
        };
        row.map(|row| Ok(row.try_get::<Vec<i64>, _>(0)?.into_iter().collect())).transpose()
    }
}

/// Of each whether it was: of a job the last attempt counts, and that once.
fn told(asked: &[(i64, u32)], ended: &HashSet<i64>) -> Vec<bool> {
    let mut last: HashMap<i64, u32> = HashMap::with_capacity(asked.len());
    for (job, attempt) in asked {
        last.entry(*job).and_modify(|last| *last = (*last).max(*attempt)).or_insert(*attempt);
    }
    let mut tell = |(job, attempt): &(i64, u32)| {
        let is_last = last.get(job) == Some(attempt) && ended.contains(job);
        is_last && last.remove(job).is_some()
    };
    asked.iter().map(&mut tell).collect()
}

pub(super) async fn settle(
    jobs: &PostgresJobs,
    endings: Vec<Ending>,
    outboxes: Outboxes<'_, PgConnection>,
) -> Result<Vec<bool>, TransportError> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    let is_some_again = endings.iter().any(|ending| !matches!(ending.how, How::Over { .. }));
    let columns = Columns::of(&endings);
    let (asked, events): (Vec<_>, Vec<_>) =
        endings.into_iter().map(|ending| ((ending.job, ending.attempt), (ending.event, ending.told))).unzip();
    let deadline = jobs.database.deadline().saturating_add(PATIENCE);
    let (columns, asked) = (&columns, &asked);
    let settled = jobs.database.in_time_with(&jobs.at, deadline, |connection, _| {
        let events = events.clone();
        Box::pin(async move { end(jobs, connection, columns, asked, events, outboxes).await })
    });
    let ended = settled.await??;
    match is_some_again {
        true => jobs.ring(1),
        false => jobs.hint_of_room(),
    }
    Ok(ended)
}

/// The event of a job that has ended, and what its batch is told.
type Told = (Option<Packet>, Option<(Uuid, Packet)>);

async fn end(
    jobs: &PostgresJobs,
    connection: &mut PgConnection,
    columns: &Columns,
    asked: &[(i64, u32)],
    events: Vec<Told>,
    outboxes: Outboxes<'_, PgConnection>,
) -> Result<Result<Vec<bool>, TransportError>, Failed> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
    let ended = columns.end(jobs, "true", &mut transaction).await.map_err(Failed::undone)?;
    let ended = told(asked, &ended.unwrap_or_default());
    let (mut told_bus, mut told_batches) = (Vec::new(), Vec::new());
    for ((event, told), _) in events.into_iter().zip(&ended).filter(|(_, ended)| **ended) {
        told_bus.extend(event);
        told_batches.extend(told.map(|(_, packet)| packet));
    }
    if let Err(error) = outboxes.insert(told_bus, told_batches, &mut transaction).await {
        transaction.rollback().await?;
        return Ok(Err(error));
    }
    transaction.commit().await?;
    Ok(Ok(ended))
}

pub(super) async fn settle_within(
    jobs: &PostgresJobs,
    ending: Ending,
    outboxes: Outboxes<'_, PgConnection>,
    connection: &mut PgConnection,
) -> Result<bool, TransportError> {
    if !connection.is_in_transaction() {
        return Err(jobs.no_transaction());
    }
    let job = ending.job;
    let columns = Columns::of(std::slice::from_ref(&ending));
    let deadline = jobs.database.deadline();
    let ended = timeout(deadline, async {
        match columns.end(jobs, WITHIN, connection).await? {
            None if is_within(connection).await? => columns.end(jobs, "true", connection).await,
            ended => Ok(ended),
        }
    });
    let is_ended = match ended.await {
        Ok(Ok(Some(ended))) => ended.contains(&job),
        Ok(Ok(None)) => return Err(jobs.no_transaction()),
        Ok(Err(error)) => return Err(jobs.error_within(&error)),
        Err(_) => return Err(late(&jobs.at, deadline)),
    };
    if is_ended {
        let told = ending.told.map(|(_, packet)| packet).into_iter().collect();
        outboxes.insert(ending.event.into_iter().collect(), told, connection).await?;
    }
    jobs.hint_of_room();
    Ok(is_ended)
}

/// The state as it stands in a row. One that is not over is none that a job ends in.
fn number_of(state: State) -> i16 {
    match state {
        State::Done => DONE,
        State::Failed => FAILED,
        State::Cancelled => CANCELLED,
        State::Waiting | State::Running => {
            debug_assert!(false, "a job ends as {state}");
            FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_job_the_last_attempt_counts_and_that_once() {
        let asked = [(1, 1), (1, 2), (2, 1), (2, 1), (3, 1)];
        assert_eq!(told(&asked, &HashSet::from([1, 2])), [false, true, true, false, false]);
    }
}
