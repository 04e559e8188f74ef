//! How attempts end: each only if it still has its job, and with the event that says how.
//!
//! `Ending → convoke_job_settle_1 → the events of those that were → the outbox, in the same transaction`,
//! `Ending, soon after others → convoke_job_end_1: both, in one message`

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Row as _};
use tokio::time::timeout;

use super::add::texts;
use super::jobs::{CANCELLED, DONE, FAILED, PostgresJobs};
use crate::Uuid;
use crate::outbox::Insertion;
use crate::sql::postgres::{BEGIN, COMMITTED, Failed, WITHIN, array, is_within, late, quoted};
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
            let query = self.bind(sqlx::query(AssertSqlSafe(sql)).bind(jobs.id().to_string()));
            query.fetch_optional(connection).await?
        };
        row.map(|row| Ok(row.try_get::<Vec<i64>, _>(0)?.into_iter().collect())).transpose()
    }

    fn bind<'q>(&'q self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        let query = query.bind(&self.ids).bind(&self.attempts).bind(&self.hows);
        query.bind(&self.states).bind(&self.times).bind(&self.texts)
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
    let ended = match by_name(jobs, &endings, outboxes).await {
        Some(ended) => ended?,
        None => by_transaction(jobs, endings, outboxes).await?,
    };
    match is_some_again {
        true => jobs.ring(1),
        false => jobs.hint_of_room(),
    }
    Ok(ended)
}

/// Settles by one statement with a name, which is a message and a transaction by itself. `None` where that cannot be, or the server has
/// not done it: then it is to be said otherwise.
async fn by_name(
    jobs: &PostgresJobs,
    endings: &[Ending],
    outboxes: Outboxes<'_, PgConnection>,
) -> Option<Result<Vec<bool>, TransportError>> {
    // What batches are told stands in another outbox, and of a job that ends twice in one go the last attempt counts.
    let all: HashSet<i64> = endings.iter().map(|ending| ending.job).collect();
    if all.len() < endings.len() || endings.iter().any(|ending| ending.told.is_some()) {
        return None;
    }
    let lease = jobs.own.take(&jobs.database, &jobs.at).await?;
    let (of, events): (Vec<i64>, Vec<_>) =
        endings.iter().filter_map(|ending| Some((ending.job, ending.event.clone()?))).unzip();
    let (tells, insertion) = (!events.is_empty(), Insertion::of(outboxes.events, events)?);
    let (columns, id) = (Columns::of(endings), jobs.id().to_string());
    let places: Vec<_> = (1..=17).map(|place| format!("${place}")).collect();
    let (schema, places) = (jobs.database.schema(), places.join(", "));
    let sql = format!("SELECT {schema}.convoke_job_end_1({places}) WHERE {COMMITTED}");
    let deadline = jobs.database.deadline().saturating_add(PATIENCE);
    let said = lease.say(&jobs.at, deadline, move |connection| {
        Box::pin(async move {
            let query = columns.bind(sqlx::query(AssertSqlSafe(sql)).bind(id));
            insertion.bind(query.bind(&of)).fetch_all(connection).await
        })
    });
    let rows = match said.await? {
        Ok(rows) => rows,
        Err(error) if error.is_temporary() => return Some(Err(error)),
        // Nothing of it is there. Whoever says it in a transaction learns what is wrong with which of them.
        Err(_) => return None,
    };
    let ended = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get::<Vec<i64>, _>(0));
    Some(match ended {
        Ok(ended) => {
            let ended: HashSet<i64> = ended.into_iter().collect();
            if tells {
                Insertion::ring(outboxes.events);
            }
            Ok(endings.iter().map(|ending| ended.contains(&ending.job)).collect())
        }
        Err(error) => Err(jobs.error(&error)),
    })
}

async fn by_transaction(
    jobs: &PostgresJobs,
    endings: Vec<Ending>,
    outboxes: Outboxes<'_, PgConnection>,
) -> Result<Vec<bool>, TransportError> {
    let columns = Columns::of(&endings);
    let (asked, events): (Vec<_>, Vec<_>) =
        endings.into_iter().map(|ending| ((ending.job, ending.attempt), (ending.event, ending.told))).unzip();
    let deadline = jobs.database.deadline().saturating_add(PATIENCE);
    let (columns, asked) = (&columns, &asked);
    let settled = jobs.database.in_time_with(&jobs.at, deadline, |connection, _| {
        let events = events.clone();
        Box::pin(async move { end(jobs, connection, columns, asked, events, outboxes).await })
    });
    settled.await?
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
