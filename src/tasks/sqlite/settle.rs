//! How attempts end in a file: each only if it still has its job, and with the event that says how.
//!
//! `Ending → is it still lent by this number? → DELETE | UPDATE → the events of those → the outbox, in the same transaction`

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::jobs::{AHEAD, CANCELLED, DONE, FAILED, READY, SqliteJobs};
use crate::sql::sqlite::{after, now, written};
use crate::tasks::{Ending, How, Outboxes, State};
use crate::transport::TransportError;

/// All of them, or none if one is not lent by this number or has its key for longer: what most of the time is true takes no
/// answer for each.
pub(super) const DELETE_ALL: &str = "DELETE FROM convoke_job WHERE id IN (SELECT value ->> 0 FROM json_each(?1)) \
    AND (SELECT count(*) FROM json_each(?1) AS ask CROSS JOIN convoke_job AS j ON j.id = ask.value ->> 0 \
        WHERE j.attempt = ask.value ->> 1 AND j.state = 3 AND (j.hold <= 0 OR coalesce(j.held_until, 0) <= ?3)) = ?2";

/// Those that are still lent by these numbers, and until when each has its key.
pub(super) const HELD: &str = "SELECT json_group_array(json_array(j.id, j.attempt, iif(j.hold > 0, coalesce(j.held_until, 0), 0))) \
    FROM json_each(?1) AS ask CROSS JOIN convoke_job AS j ON j.id = ask.value ->> 0 \
    WHERE j.attempt = ask.value ->> 1 AND j.state = 3";
pub(super) const DELETE: &str = "DELETE FROM convoke_job WHERE id IN (SELECT value FROM json_each(?1))";
/// The id, the state, until when it is kept, the text, and how many attempts more do not count; a key stays taken if that is for a time
/// that is not over.
pub(super) const KEEP: &str = "UPDATE convoke_job AS j SET state = ask.value ->> 1, at = max(ask.value ->> 2, coalesce(held_until, 0)), \
        text = ask.value ->> 3, spared = spared + (ask.value ->> 4), note = NULL, fraction = NULL, \
        hold = iif(hold > 0 AND coalesce(held_until, 0) <= ?2, -hold, hold) \
    FROM json_each(?1) AS ask WHERE j.id = ask.value ->> 0";
/// The id, when it is due, whether that is now, and why it has failed. The head start stays what it was.
pub(super) const AGAIN: &str = "UPDATE convoke_job AS j SET state = iif(ask.value ->> 2, iif(j.key IS NULL OR j.cancelled, 0, 1), 2), \
        rank = (ask.value ->> 1) - (due - rank), due = ask.value ->> 1, at = ask.value ->> 1, text = ask.value ->> 3, note = NULL, fraction = NULL \
    FROM json_each(?1) AS ask WHERE j.id = ask.value ->> 0";
/// It is in its old place. The number of the attempt stays, for it says who has the job; but it does not count.
pub(super) const RELEASE: &str = "UPDATE convoke_job SET state = iif(key IS NULL OR cancelled, 0, 1), spared = spared + 1 \
    WHERE id IN (SELECT value FROM json_each(?1))";
pub(super) const FORGET: &str = "DELETE FROM convoke_job_step WHERE job IN (SELECT value FROM json_each(?1))";
const HAS_STEPS: &str = "SELECT EXISTS (SELECT 1 FROM convoke_job_step)";

pub(super) async fn settle(
    jobs: &SqliteJobs,
    endings: Vec<Ending>,
    outboxes: Outboxes<'_, SqliteConnection>,
) -> Result<Vec<bool>, TransportError> {
    if endings.is_empty() {
        return Ok(Vec::new());
    }
    // What is over makes room for others of its key.
    let rings =
        jobs.turns.load(Ordering::Relaxed) || endings.iter().any(|ending| !matches!(ending.how, How::Over { .. }));
    let settled = jobs.transact(async |connection| end(jobs, connection, endings, outboxes).await.map(Some)).await?;
    if rings {
        jobs.ring();
    }
    Ok(settled.unwrap_or_default())
}

pub(super) async fn settle_within(
    jobs: &SqliteJobs,
    ending: Ending,
    outboxes: Outboxes<'_, SqliteConnection>,
    connection: &mut SqliteConnection,
) -> Result<bool, TransportError> {
    jobs.within(connection).await?;
    let settled = end(jobs, connection, vec![ending], outboxes).await?;
    if jobs.turns.load(Ordering::Relaxed) {
        jobs.ring();
    }
    Ok(settled == [true])
}

/// Ends attempts, in a transaction, and returns of each whether it was.
async fn end(
    jobs: &SqliteJobs,
    connection: &mut SqliteConnection,
    endings: Vec<Ending>,
    outboxes: Outboxes<'_, SqliteConnection>,
) -> Result<Vec<bool>, TransportError> {
    let ended = change(connection, &endings).await;
    let ended = jobs.store.verified(ended).map_err(|error| jobs.error(&error))?;
    let (mut events, mut told) = (Vec::new(), Vec::new());
    for (ending, _) in endings.into_iter().zip(&ended).filter(|(_, ended)| **ended) {
        events.extend(ending.event);
        told.extend(ending.told.map(|(_, packet)| packet));
    }
    outboxes.insert(events, told, connection).await?;
    Ok(ended)
}

async fn change(connection: &mut SqliteConnection, endings: &[Ending]) -> Result<Vec<bool>, sqlx::Error> {
    let now = now();
    let asked: Vec<(i64, u32)> = endings.iter().map(|ending| (ending.job, ending.attempt)).collect();
    // Numbers can always be written.
    let asked = serde_json::to_string(&asked).unwrap_or_default();
    let ids: Vec<i64> = endings.iter().map(|ending| ending.job).collect();
    let all_are_over = endings.iter().all(|ending| matches!(ending.how, How::Over { keep: Duration::ZERO, .. }));
    if all_are_over && ids.iter().collect::<HashSet<_>>().len() == ids.len() {
        let count = i64::try_from(endings.len()).unwrap_or(i64::MAX);
        let delete = sqlx::query(DELETE_ALL).bind(asked.clone()).bind(count).bind(now);
        if delete.execute(&mut *connection).await?.rows_affected() == endings.len() as u64 {
            forget(connection, &ids).await?;
            return Ok(vec![true; endings.len()]);
        }
    }
    let held: String = sqlx::query_scalar(HELD).bind(asked).fetch_one(&mut *connection).await?;
    // What SQLite has written can be read.
    let held = serde_json::from_str::<Vec<(i64, u32, i64)>>(&held).unwrap_or_default();
    let mut held: HashMap<_, _> = held.into_iter().map(|(job, attempt, until)| ((job, attempt), until)).collect();
    let mut changes = Changes::default();
    let mut ended = Vec::with_capacity(endings.len());
    for ending in endings {
        // A job ends once, whatever is said of it in one go.
        let held_until = held.remove(&(ending.job, ending.attempt));
        if let Some(held_until) = held_until {
            changes.push(ending, held_until, now);
        }
        ended.push(held_until.is_some());
    }
    changes.write(connection, now).await?;
    Ok(ended)
}

async fn forget(connection: &mut SqliteConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    if !ids.is_empty() && sqlx::query_scalar(HAS_STEPS).fetch_one(&mut *connection).await? {
        sqlx::query(FORGET).bind(written(ids)).execute(connection).await?;
    }
    Ok(())
}

/// What comes of endings.
#[derive(Default)]
struct Changes {
    deleted: Vec<i64>,
    kept: Vec<Value>,
    again: Vec<Value>,
    released: Vec<i64>,
    /// Of which no steps are kept any more.
    over: Vec<i64>,
}

impl Changes {
    fn push(&mut self, ending: &Ending, held_until: i64, now: i64) {
        let job = ending.job;
        match &ending.how {
            How::Over { state, text, keep } => {
                self.over.push(job);
                match keep.is_zero() && held_until <= now {
                    true => self.deleted.push(job),
                    false => {
                        let spared = i64::from(!ending.counts);
                        self.kept.push(json!([job, number_of(*state), after(now, *keep), text, spared]));
                    }
                }
            }
            How::Again { after: wait, reason } => {
                self.again.push(json!([job, after(now, *wait), i64::from(wait.is_zero()), reason]));
            }
            How::Released => self.released.push(job),
        }
    }

    async fn write(self, connection: &mut SqliteConnection, now: i64) -> Result<(), sqlx::Error> {
        if !self.deleted.is_empty() {
            sqlx::query(DELETE).bind(written(&self.deleted)).execute(&mut *connection).await?;
        }
        if !self.kept.is_empty() {
            let kept = Value::from(self.kept).to_string();
            sqlx::query(KEEP).bind(kept).bind(now).execute(&mut *connection).await?;
        }
        if !self.again.is_empty() {
            sqlx::query(AGAIN).bind(Value::from(self.again).to_string()).execute(&mut *connection).await?;
        }
        if !self.released.is_empty() {
            sqlx::query(RELEASE).bind(written(&self.released)).execute(&mut *connection).await?;
        }
        forget(connection, &self.over).await
    }
}

/// The state as it stands in a row. One that is not over is none that a job ends in.
fn number_of(state: State) -> i64 {
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

/// How a job is, by its state in a row.
pub(super) fn state_of(number: i64) -> State {
    match number {
        READY..=AHEAD => State::Waiting,
        DONE => State::Done,
        FAILED => State::Failed,
        CANCELLED => State::Cancelled,
        _ => State::Running,
    }
}

/// Every statement of this file that looks for rows.
#[cfg(test)]
pub(super) const ALL: [&str; 7] = [DELETE_ALL, HELD, DELETE, KEEP, AGAIN, RELEASE, FORGET];
