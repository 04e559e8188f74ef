//! How a job is, for who asks; and what is asked of one that is not in hand.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::add::texts;
use super::jobs::{AHEAD, CANCELLED, DONE, FAILED, PostgresJobs};
use crate::sql::postgres::quoted;
use crate::tasks::queue::{Lane, micros, time_of};
use crate::tasks::{Noted, Row, Section, Spot, State, TaskFigures, Unclaimed, Wanted};
use crate::transport::TransportError;

/// What is read of a job; `{schema}` is the schema.
const COLUMNS: &str = "id, task, queue, state, cancelled, attempt - spared, attempts, payload, at - {schema}.convoke_micros_1(), text, note, \
    fraction, {schema}.convoke_micros_1() - due";

fn columns(jobs: &PostgresJobs) -> String {
    COLUMNS.replace("{schema}", jobs.database.schema())
}

pub(super) async fn look(jobs: &PostgresJobs, job: i64) -> Result<Option<Row>, TransportError> {
    let schema = jobs.database.schema();
    // What has been kept for long enough is gone, whether or not it was deleted yet.
    let sql = format!(
        "SELECT {} FROM {schema}.convoke_job WHERE id = {job} AND (state < 4 OR at > {schema}.convoke_micros_1())",
        columns(jobs)
    );
    let rows = jobs.rows(&sql).await?;
    rows.first().map(read).transpose().map_err(|error| jobs.error(&error))
}

pub(super) async fn failed(jobs: &PostgresJobs, after: i64, most: usize) -> Result<Vec<Row>, TransportError> {
    let (schema, most) = (jobs.database.schema(), i64::try_from(most).unwrap_or(i64::MAX));
    let sql = format!(
        "SET LOCAL enable_seqscan = off; SELECT {} FROM {schema}.convoke_job WHERE state >= 5 AND id > {after} ORDER BY id LIMIT {most}",
        columns(jobs)
    );
    jobs.rows(&sql).await?.iter().map(read).collect::<Result<_, _>>().map_err(|error| jobs.error(&error))
}

fn read(row: &PgRow) -> Result<Row, sqlx::Error> {
    let (number, wait): (i16, i64) = (row.try_get(3)?, row.try_get(8)?);
    let is_ahead = number == AHEAD && wait > 0;
    let waited: i64 = row.try_get(12)?;
    Ok(Row {
        id: row.try_get(0)?,
        task: row.try_get(1)?,
        queue: row.try_get(2)?,
        state: state_of(number),
        is_cancelled: row.try_get(4)?,
        attempt: row.try_get::<i32, _>(5)?.try_into().unwrap_or_default(),
        attempts: row.try_get::<i32, _>(6)?.try_into().unwrap_or_default(),
        payload: row.try_get(7)?,
        due_in: is_ahead.then(|| time_of(wait)),
        waited: (number <= AHEAD && !is_ahead).then(|| time_of(waited)),
        since_due: (number > AHEAD).then(|| time_of(waited)),
        text: row.try_get(9)?,
        progress: Noted { text: row.try_get(10)?, fraction: row.try_get(11)? },
    })
}

/// How a job is, by its state in a row.
fn state_of(number: i16) -> State {
    match number {
        ..=AHEAD => State::Waiting,
        DONE => State::Done,
        FAILED => State::Failed,
        CANCELLED => State::Cancelled,
        _ => State::Running,
    }
}

pub(super) async fn cancel(jobs: &PostgresJobs, job: i64) -> Result<Option<State>, TransportError> {
    let rows = jobs.rows(&format!("SELECT {}.convoke_job_cancel_1({job})", jobs.database.schema())).await?;
    let was = jobs.value::<Option<i16>>(&rows)?.map(state_of);
    jobs.ring(1);
    Ok(was)
}

pub(super) async fn retry(jobs: &PostgresJobs, job: i64) -> Result<bool, TransportError> {
    let rows = jobs.rows(&format!("SELECT {}.convoke_job_retry_1({job})", jobs.database.schema())).await?;
    let retried = jobs.value(&rows)?;
    if retried {
        jobs.ring(1);
    }
    Ok(retried)
}

pub(super) async fn prune(jobs: &PostgresJobs, most: usize) -> Result<u64, TransportError> {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let (schema, times) = (jobs.database.schema(), jobs.lending().floor.of_times());
    let rows = jobs.rows(&format!("SELECT {schema}.convoke_job_prune_1({most}, '{times}')")).await?;
    Ok(jobs.value::<i64>(&rows)?.try_into().unwrap_or_default())
}

pub(super) async fn figures(
    jobs: &PostgresJobs,
    queues: &[Arc<str>],
    most: u64,
) -> Result<TaskFigures, TransportError> {
    let queues = match queues.is_empty() {
        true => "NULL".to_owned(),
        false => texts(queues.iter().map(|queue| Some(&**queue))),
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let sql = format!("SELECT * FROM {}.convoke_job_figures_1({queues}, {most})", jobs.database.schema());
    let rows = jobs.rows(&sql).await?;
    let figures = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| {
        let count =
            |column: usize| Ok::<u64, sqlx::Error>(row.try_get::<i64, _>(column)?.try_into().unwrap_or_default());
        let oldest = row.try_get::<Option<i64>, _>(4)?.map(|oldest| time_of(oldest).max(Duration::ZERO));
        Ok(TaskFigures { waiting: count(0)?, scheduled: count(1)?, running: count(2)?, failed: count(3)?, oldest })
    });
    figures.map_err(|error| jobs.error(&error))
}

/// The first job of each lane but some that has anything, if it has been due for long and nobody does that lane: none of it runs, and
/// that one does not wait for its rate. `{schema}`, `{lanes}`, `{longer}` and `{most}` are filled in.
const UNCLAIMED: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; WITH RECURSIVE \
    plain (lane) AS ( \
        (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 0 ORDER BY j.lane LIMIT 1) \
        UNION ALL \
        SELECT (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 0 AND j.lane > plain.lane ORDER BY j.lane LIMIT 1) \
        FROM plain WHERE plain.lane IS NOT NULL \
    ), \
    keyed (lane) AS ( \
        (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 1 ORDER BY j.lane LIMIT 1) \
        UNION ALL \
        SELECT (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 1 AND j.lane > keyed.lane ORDER BY j.lane LIMIT 1) \
        FROM keyed WHERE keyed.lane IS NOT NULL \
    ), \
    firsts (id) AS MATERIALIZED ( \
        SELECT (SELECT j.id FROM {schema}.convoke_job AS j WHERE j.state = 0 AND j.lane = plain.lane ORDER BY j.rank, j.id LIMIT 1) \
            FROM plain WHERE plain.lane <> ALL ({lanes}) \
        UNION ALL \
        SELECT (SELECT j.id FROM {schema}.convoke_job AS j WHERE j.state = 1 AND j.lane = keyed.lane ORDER BY j.key, j.rank, j.id LIMIT 1) \
            FROM keyed WHERE keyed.lane <> ALL ({lanes}) \
    ), \
    moment (now) AS MATERIALIZED (SELECT {schema}.convoke_micros_1()) \
    SELECT j.id, j.task, j.queue, moment.now - j.due \
    FROM firsts CROSS JOIN moment JOIN {schema}.convoke_job AS j ON j.id = firsts.id \
    WHERE j.due <= moment.now - {longer} \
        AND NOT EXISTS (SELECT 1 FROM {schema}.convoke_job_rate AS r WHERE r.key = j.key AND r.until > moment.now) \
        AND NOT EXISTS (SELECT 1 FROM {schema}.convoke_job AS r WHERE r.state = 3 AND r.lane = j.lane) \
    LIMIT {most}";

pub(super) async fn unclaimed(
    jobs: &PostgresJobs,
    but: &Wanted,
    longer: Duration,
    most: usize,
) -> Result<Vec<Unclaimed>, TransportError> {
    let lanes: Vec<_> = Lane::all(but).iter().map(|lane| lane.number.to_string()).collect();
    let sql = UNCLAIMED
        .replace("{schema}", jobs.database.schema())
        .replace("{lanes}", &format!("'{{{}}}'::bigint[]", lanes.join(",")))
        .replace("{longer}", &micros(longer).to_string())
        .replace("{most}", &most.to_string());
    let unclaimed = |row: &PgRow| {
        let (job, task, queue) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(Unclaimed { job, task, queue, waited: time_of(row.try_get(3)?) })
    };
    let rows = jobs.rows(&sql).await?;
    rows.iter().map(unclaimed).collect::<Result<_, _>>().map_err(|error: sqlx::Error| jobs.error(&error))
}

/// The plans of these are the same with a million rows as with none.
const PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL jit = off;";

/// The statement for the jobs behind a place. Of those that run there are as many as workers have hands: they are read as a whole, for
/// the end of a lease moves.
fn section_sql(jobs: &PostgresJobs, of: Section, task: Option<&str>, behind: Option<Spot>, most: usize) -> String {
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
    let rows = jobs.rows(&section_sql(jobs, of, task, behind, most)).await?;
    rows.iter().map(one).collect::<Result<_, _>>().map_err(|error: sqlx::Error| jobs.error(&error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sqlx::Row as _;

    use super::*;
    use crate::Uuid;
    use crate::transport::Postgres;

    /// A page of a million is read as one of ten: by the index of its section, from where the last one ended.
    #[actix_rt::test]
    async fn a_page_begins_in_an_index_where_the_last_one_ended() {
        let Some(url) = crate::sql::postgres::url_of_the_tests() else { return };
        let database = Postgres::connect(url).schema(format!("t{}", Uuid::now_v7().simple())).await.unwrap();
        database.migrate().await.unwrap();
        let (jobs, at): (_, Arc<str>) = (PostgresJobs::open(&database).await.unwrap(), "postgres".into());
        let spot = Some([1, 2, 3, 4]);
        let plans = [
            (Section::Running, "convoke_job_times", "state = 3"),
            (Section::Ready, "convoke_job_ready", "ROW(lane, rank, id) > ROW("),
            (Section::Turn, "convoke_job_turns", "ROW(lane, key, rank, id) > ROW("),
            (Section::Ahead, "convoke_job_times", "(state = 2)"),
            (Section::Done, "convoke_job_times", "(state = 4)"),
            (Section::Failed, "convoke_job_times", "(state = 5)"),
            (Section::Cancelled, "convoke_job_times", "(state = 6)"),
        ];
        for (of, index, condition) in plans {
            let sql = section_sql(&jobs, of, None, spot, 10).replace("SELECT id,", "EXPLAIN SELECT id,");
            let rows = database.rows(&at, database.deadline(), &sql).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get(0).unwrap()).collect();
            let plan = plan.join("\n");
            let holds = plan.lines().skip_while(|line| !line.contains(&format!("using {index}"))).nth(1);
            assert!(
                holds.is_some_and(|line| line.contains("Index Cond") && line.contains(condition)),
                "{of:?}: {plan}"
            );
            // Those of one time are sorted among themselves.
            let whole = plan.lines().any(|line| line.trim_start_matches(['-', '>', ' ']).starts_with("Sort  ("));
            assert_eq!(whole, of == Section::Running, "{of:?}: {plan}");
        }
    }
}
