//! What is kept of a job while it runs, and where schedules stand.

use sqlx::Row as _;

use super::add::Columns;
use super::jobs::PostgresJobs;
use crate::sql::postgres::quoted;
use crate::tasks::{NewJob, Noted};
use crate::transport::TransportError;

pub(super) async fn progress(
    jobs: &PostgresJobs,
    (job, attempt): (i64, u32),
    noted: &Noted,
) -> Result<bool, TransportError> {
    // PostgreSQL keeps no text with a character of the code 0.
    let note = noted.text.as_ref().map_or("NULL".to_owned(), |text| quoted(&text.replace('\0', "")));
    let fraction = noted.fraction.filter(|fraction| fraction.is_finite());
    let fraction = fraction.map_or("NULL".to_owned(), |fraction| format!("'{fraction}'::float8"));
    let sql = format!(
        "UPDATE {}.convoke_job SET note = {note}, fraction = {fraction} \
         WHERE id = {job} AND attempt = {attempt} AND state + 0 = 3 RETURNING id",
        jobs.database.schema()
    );
    Ok(!jobs.rows(&sql).await?.is_empty())
}

pub(super) async fn steps(jobs: &PostgresJobs, job: i64) -> Result<Vec<(String, String)>, TransportError> {
    let sql = format!("SELECT name, result FROM {}.convoke_job_step WHERE job = {job}", jobs.database.schema());
    let rows = jobs.rows(&sql).await?;
    let step = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(step).collect::<Result<_, _>>().map_err(|error| jobs.error(&error))
}

/// The row of the job is locked, so that it is not over before the step is kept. A step that is there stays as it is.
pub(super) async fn step(
    jobs: &PostgresJobs,
    (job, attempt): (i64, u32),
    name: &str,
    result: &str,
) -> Result<bool, TransportError> {
    let schema = jobs.database.schema();
    let sql = format!(
        "WITH lent AS MATERIALIZED ( \
             SELECT id FROM {schema}.convoke_job WHERE id = {job} AND attempt = {attempt} AND state + 0 = 3 FOR NO KEY UPDATE \
         ), kept AS ( \
             INSERT INTO {schema}.convoke_job_step (job, name, result) SELECT id, {}, {} FROM lent ON CONFLICT (job, name) DO NOTHING \
         ) SELECT id FROM lent",
        quoted(name),
        quoted(result)
    );
    Ok(!jobs.rows(&sql).await?.is_empty())
}

pub(super) async fn ticked(jobs: &PostgresJobs, schedule: &str) -> Result<(Option<i64>, i64), TransportError> {
    let (schema, schedule) = (jobs.database.schema(), quoted(schedule));
    let sql = format!(
        "SELECT (SELECT at FROM {schema}.convoke_job_tick WHERE schedule = {schedule}), {schema}.convoke_micros_1()"
    );
    let rows = jobs.rows(&sql).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))).map_err(|error| jobs.error(&error))
}

pub(super) async fn tick(
    jobs: &PostgresJobs,
    schedule: &str,
    from: Option<i64>,
    to: i64,
    new: Vec<NewJob>,
) -> Result<bool, TransportError> {
    let (schema, schedule, count) = (jobs.database.schema(), quoted(schedule), new.len());
    let go_on = match from {
        None => format!(
            "INSERT INTO {schema}.convoke_job_tick (schedule, at) VALUES ({schedule}, {to}) ON CONFLICT (schedule) DO NOTHING RETURNING at"
        ),
        Some(from) => format!(
            "UPDATE {schema}.convoke_job_tick SET at = {to} WHERE schedule = {schedule} AND at = {from} RETURNING at"
        ),
    };
    // One statement, so that jobs are added only where it stands there.
    let sql = match count {
        0 => go_on,
        _ => {
            let add = Columns::of(new).call(schema, &jobs.id());
            format!("WITH moved AS ({go_on}) {add} FROM moved")
        }
    };
    let ticked = !jobs.rows(&sql).await?.is_empty();
    if ticked && count > 0 {
        jobs.ring(count);
    }
    Ok(ticked)
}
