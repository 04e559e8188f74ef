//! Jobs for who pages through them: each page goes on in an index where the one before it ended.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::jobs::PostgresJobs;
use super::look::{columns, read};
use crate::sql::postgres::quoted;
use crate::tasks::{Row, Section, Spot};
use crate::transport::TransportError;

/// The plans of these are the same with a million rows as with none.
const PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off;";

/// The statement for the jobs behind a place. Of those that run there are as many as workers have hands: they are read as a whole, for
/// the end of a lease moves.
pub(super) fn sql(jobs: &PostgresJobs, of: Section, task: Option<&str>, behind: Option<Spot>, most: usize) -> String {
    let schema = jobs.database.schema();
    // What is lower is no literal of bigint.
    let [lane, key, time, id] = behind.unwrap_or([-i64::MAX; 4]);
    let times = |state: u8| (format!("state = {state} AND (at, id) > ({time}, {id})"), "0::bigint, at", "at, id");
    // What has been kept for long enough is gone, whether or not it was deleted yet.
    let over = |state: u8| {
        let (holds, spot, order) = times(state);
        (format!("{holds} AND at > (SELECT {schema}.convoke_micros_1())"), spot, order)
    };
    let (holds, spot, order) = match of {
        Section::Running => (format!("state = 3 AND id + 0 > {id}"), "0::bigint, 0::bigint", "id + 0"),
        Section::Ready => {
            (format!("state = 0 AND (lane, rank, id) > ({lane}, {time}, {id})"), "0::bigint, rank", "lane, rank, id")
        }
        Section::Turn => (
            format!("state = 1 AND (lane, key, rank, id) > ({lane}, {key}, {time}, {id})"),
            "key, rank",
            "lane, key, rank, id",
        ),
        Section::Ahead => times(2),
        Section::Done => over(4),
        Section::Failed => over(5),
        Section::Cancelled => over(6),
    };
    let lane = if matches!(of, Section::Ready | Section::Turn) { "lane" } else { "0::bigint" };
    let of_task = task.map(|task| format!(" AND task = {}", quoted(task))).unwrap_or_default();
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    format!(
        "{PLAN} SELECT {}, {lane}, {spot} FROM {schema}.convoke_job WHERE {holds}{of_task} ORDER BY {order} LIMIT {most}",
        columns(jobs)
    )
}

pub(super) async fn section(
    jobs: &PostgresJobs,
    of: Section,
    task: Option<&str>,
    behind: Option<Spot>,
    most: usize,
) -> Result<Vec<(Spot, Row)>, TransportError> {
    let one = |row: &PgRow| {
        let job = read(row)?;
        Ok(([row.try_get(13)?, row.try_get(14)?, row.try_get(15)?, job.id], job))
    };
    let rows = jobs.rows(&sql(jobs, of, task, behind, most)).await?;
    rows.iter().map(one).collect::<Result<_, _>>().map_err(|error: sqlx::Error| jobs.error(&error))
}
