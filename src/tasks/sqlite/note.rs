//! What is kept of a job while it runs, and where schedules stand.

use sqlx::{Connection, SqliteConnection};

use super::add::insert;
use super::jobs::SqliteJobs;
use crate::sql::sqlite::now;
use crate::tasks::{NewJob, Noted};
use crate::transport::TransportError;

const PROGRESS: &str = "UPDATE convoke_job SET note = ?3, fraction = ?4 WHERE id = ?1 AND attempt = ?2 AND state = 3";

pub(super) async fn progress(
    jobs: &SqliteJobs,
    (job, attempt): (i64, u32),
    noted: &Noted,
) -> Result<bool, TransportError> {
    // SQLite keeps no number that is none.
    let fraction = noted.fraction.filter(|fraction| !fraction.is_nan());
    let query = sqlx::query(PROGRESS).bind(job).bind(i64::from(attempt)).bind(noted.text.clone()).bind(fraction);
    let noted = jobs.write(async |connection| query.execute(connection).await).await?;
    Ok(noted.rows_affected() > 0)
}

pub(super) async fn steps(jobs: &SqliteJobs, job: i64) -> Result<Vec<(String, String)>, TransportError> {
    let query = sqlx::query_as("SELECT name, result FROM convoke_job_step WHERE job = ?1").bind(job);
    let mut reader = jobs.store.read().await.map_err(|error| jobs.error(&error))?;
    let steps = query.fetch_all(&mut *reader).await;
    jobs.store.verified(steps).map_err(|error| jobs.error(&error))
}

/// One that is there stays as it is.
const STEP: &str = "INSERT INTO convoke_job_step (job, name, result) SELECT id, ?3, ?4 FROM convoke_job \
    WHERE id = ?1 AND attempt = ?2 AND state = 3 ON CONFLICT (job, name) DO NOTHING";
const IS_LENT: &str = "SELECT EXISTS (SELECT 1 FROM convoke_job WHERE id = ?1 AND attempt = ?2 AND state = 3)";

pub(super) async fn step(
    jobs: &SqliteJobs,
    (job, attempt): (i64, u32),
    name: &str,
    result: &str,
) -> Result<bool, TransportError> {
    let step = sqlx::query(STEP).bind(job).bind(i64::from(attempt)).bind(name.to_owned()).bind(result.to_owned());
    let is_lent = sqlx::query_scalar(IS_LENT).bind(job).bind(i64::from(attempt));
    jobs.write(async |connection| {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        step.execute(&mut *transaction).await?;
        let is_lent = is_lent.fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(is_lent)
    })
    .await
}

pub(super) async fn ticked(jobs: &SqliteJobs, schedule: &str) -> Result<(Option<i64>, i64), TransportError> {
    let query = sqlx::query_scalar("SELECT at FROM convoke_job_tick WHERE schedule = ?1").bind(schedule.to_owned());
    let mut reader = jobs.store.read().await.map_err(|error| jobs.error(&error))?;
    let at = query.fetch_optional(&mut *reader).await;
    let at = jobs.store.verified(at).map_err(|error| jobs.error(&error))?;
    Ok((at, now().saturating_mul(1000)))
}

pub(super) async fn tick(
    jobs: &SqliteJobs,
    schedule: &str,
    from: Option<i64>,
    to: i64,
    new: Vec<NewJob>,
) -> Result<bool, TransportError> {
    let ticked = jobs.transact(async |connection| {
        let ticked = async {
            if !move_on(connection, schedule, from, to).await? {
                return Ok(None);
            }
            insert(connection, new).await.map(|_| Some(()))
        };
        ticked.await.map_err(|error: sqlx::Error| jobs.error(&error))
    });
    let ticked = ticked.await?.is_some();
    if ticked {
        jobs.ring();
    }
    Ok(ticked)
}

async fn move_on(
    connection: &mut SqliteConnection,
    schedule: &str,
    from: Option<i64>,
    to: i64,
) -> Result<bool, sqlx::Error> {
    let begin =
        "INSERT INTO convoke_job_tick (schedule, at) SELECT ?1, ?2 WHERE ?3 IS NULL ON CONFLICT (schedule) DO NOTHING";
    let go_on = "UPDATE convoke_job_tick SET at = ?2 WHERE schedule = ?1 AND at = ?3";
    let sql = if from.is_none() { begin } else { go_on };
    let moved = sqlx::query(sql).bind(schedule.to_owned()).bind(to).bind(from).execute(connection).await?;
    Ok(moved.rows_affected() > 0)
}
