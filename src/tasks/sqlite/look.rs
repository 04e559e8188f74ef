//! How a job is, for who asks; and what is asked of one that is not in hand.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row as _};

use super::add::millis;
use super::jobs::{AHEAD, SqliteJobs};
use super::lend::text_of;
use super::settle::state_of;
use crate::sql::sqlite::{now, written};
use crate::tasks::queue::{Lane, micros};
use crate::tasks::{Noted, Row, State, TaskFigures, Unclaimed, Wanted};
use crate::transport::TransportError;

pub(super) const COLUMNS: &str =
    "id, task, queue, state, cancelled, attempt - spared, attempts, payload, at, text, note, fraction, due";

pub(super) async fn look(jobs: &SqliteJobs, job: i64) -> Result<Option<Row>, TransportError> {
    // What has been kept for long enough is gone, whether or not it was deleted yet.
    let sql = format!("SELECT {COLUMNS} FROM convoke_job WHERE id = ?1 AND (state < 4 OR at > ?2)");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(job).bind(now());
    let mut reader = jobs.glance().await?;
    let row = query.fetch_optional(&mut *reader.connection).await;
    let row = row.and_then(|row| row.as_ref().map(read).transpose());
    jobs.store.verified(row).map_err(|error| jobs.error(&error))
}

pub(super) fn failed_sql() -> String {
    format!("SELECT {COLUMNS} FROM convoke_job WHERE state >= 5 AND id > ?1 ORDER BY id LIMIT ?2")
}

pub(super) async fn failed(jobs: &SqliteJobs, after: i64, most: usize) -> Result<Vec<Row>, TransportError> {
    let query = sqlx::query(AssertSqlSafe(failed_sql())).bind(after).bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut reader = jobs.store.read().await.map_err(|error| jobs.error(&error))?;
    let rows = query.fetch_all(&mut *reader).await;
    let rows = rows.and_then(|rows| rows.iter().map(read).collect());
    jobs.store.verified(rows).map_err(|error| jobs.error(&error))
}

pub(super) fn read(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let (number, at, due): (i64, i64, i64) = (row.try_get(3)?, row.try_get(8)?, row.try_get(12)?);
    let now = now();
    let wait = at.saturating_sub(now);
    let (waits, is_ahead) = (number <= AHEAD, number == AHEAD && wait > 0);
    let waited = now.saturating_sub(due).try_into().unwrap_or_default();
    Ok(Row {
        id: row.try_get(0)?,
        task: row.try_get(1)?,
        queue: row.try_get(2)?,
        state: state_of(number),
        is_cancelled: row.try_get(4)?,
        attempt: row.try_get(5)?,
        attempts: row.try_get(6)?,
        payload: text_of(row.try_get(7)?)?,
        due_in: is_ahead.then(|| Duration::from_millis(wait.try_into().unwrap_or_default())),
        waited: (waits && !is_ahead).then(|| Duration::from_millis(waited)),
        since_due: (!waits).then(|| Duration::from_millis(waited)),
        text: row.try_get(9)?,
        progress: Noted { text: row.try_get(10)?, fraction: row.try_get(11)? },
    })
}

/// One that waits is due now, in no turn, so that a worker ends it.
pub(super) const CANCEL: &str = "UPDATE convoke_job SET cancelled = 1, \
        rank = iif(state = 2, min(due, ?2) - (due - rank), rank), due = iif(state = 2, min(due, ?2), due), \
        state = iif(state = 3, 3, 0) \
    WHERE id = ?1 AND state <= 3";

pub(super) async fn cancel(jobs: &SqliteJobs, job: i64) -> Result<Option<State>, TransportError> {
    let was = jobs.transact(async |connection| {
        let was = async {
            let was: Option<i64> = sqlx::query_scalar("SELECT state FROM convoke_job WHERE id = ?1")
                .bind(job)
                .fetch_optional(&mut *connection)
                .await?;
            sqlx::query(CANCEL).bind(job).bind(now()).execute(connection).await?;
            Ok(was)
        };
        was.await.map_err(|error| jobs.error(&error))
    });
    let was = was.await?.map(state_of);
    jobs.ring();
    Ok(was)
}

/// The attempts count from here on. Its unique key is taken again.
pub(super) const RETRY: &str = "UPDATE convoke_job SET state = iif(key IS NULL, 0, 1), rank = ?2 - (due - rank), due = ?2, at = ?2, \
        cancelled = 0, expires = NULL, spared = attempt, hold = abs(hold), text = NULL, note = NULL, fraction = NULL \
    WHERE id = ?1 AND state IN (5, 6) AND NOT EXISTS ( \
        SELECT 1 FROM convoke_job AS o WHERE o.unique_key = convoke_job.unique_key AND o.hold > 0 AND o.id <> ?1 \
    )";

pub(super) async fn retry(jobs: &SqliteJobs, job: i64) -> Result<bool, TransportError> {
    let retried = jobs.transact(async |connection| {
        let retried = async {
            let key: Option<String> = sqlx::query_scalar("SELECT unique_key FROM convoke_job WHERE id = ?1")
                .bind(job)
                .fetch_optional(&mut *connection)
                .await?
                .flatten();
            if let Some(key) = key {
                // Texts can always be written.
                let key = serde_json::to_string(&[key]).unwrap_or_default();
                sqlx::query(super::add::FREE).bind(key).bind(now()).execute(&mut *connection).await?;
            }
            let retry = sqlx::query(RETRY).bind(job).bind(now()).execute(connection).await?;
            Ok((retry.rows_affected() > 0).then_some(()))
        };
        retried.await.map_err(|error| jobs.error(&error))
    });
    let retried = retried.await?.is_some();
    if retried {
        jobs.ring();
    }
    Ok(retried)
}

/// What is over is kept for a time, and rates for as long as they count.
pub(super) const PRUNE: &str = "DELETE FROM convoke_job WHERE id IN ( \
        SELECT * FROM (SELECT id FROM convoke_job WHERE state = 4 AND state > 1 AND at <= ?1 ORDER BY at LIMIT ?2) \
        UNION ALL \
        SELECT * FROM (SELECT id FROM convoke_job WHERE state = 5 AND state > 1 AND at <= ?1 ORDER BY at LIMIT ?2) \
        UNION ALL \
        SELECT * FROM (SELECT id FROM convoke_job WHERE state = 6 AND state > 1 AND at <= ?1 ORDER BY at LIMIT ?2) \
        LIMIT ?2 \
    )";
pub(super) const PRUNE_RATES: &str = "DELETE FROM convoke_job_rate WHERE key IN ( \
        SELECT key FROM convoke_job_rate WHERE until <= ?1 ORDER BY until LIMIT ?2 \
    )";

pub(super) async fn prune(jobs: &SqliteJobs, most: usize) -> Result<u64, TransportError> {
    let (most, now) = (i64::try_from(most).unwrap_or(i64::MAX), now());
    jobs.write(async |connection| {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let rates = sqlx::query(PRUNE_RATES).bind(now.saturating_mul(1000)).bind(most);
        rates.execute(&mut *transaction).await?;
        let pruned = sqlx::query(PRUNE).bind(now).bind(most).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(pruned.rows_affected())
    })
    .await
}

/// The lanes that have anything, each with its queue, found by the index one after the other; and of a kind no more than ?2.
pub(super) const FIGURES: &str = "WITH RECURSIVE \
    asked (queue) AS MATERIALIZED (SELECT value FROM json_each(?1)), \
    plain (lane) AS ( \
        SELECT (SELECT lane FROM convoke_job WHERE state = 0 ORDER BY lane LIMIT 1) \
        UNION ALL \
        SELECT (SELECT lane FROM convoke_job WHERE state = 0 AND lane > plain.lane ORDER BY lane LIMIT 1) \
        FROM plain WHERE lane IS NOT NULL \
    ), \
    keyed (lane) AS ( \
        SELECT (SELECT lane FROM convoke_job WHERE state = 1 ORDER BY lane LIMIT 1) \
        UNION ALL \
        SELECT (SELECT lane FROM convoke_job WHERE state = 1 AND lane > keyed.lane ORDER BY lane LIMIT 1) \
        FROM keyed WHERE lane IS NOT NULL \
    ), \
    lanes (kind, lane) AS MATERIALIZED ( \
        SELECT 0, lane FROM plain WHERE lane IS NOT NULL AND (NOT EXISTS (SELECT 1 FROM asked) OR \
            (SELECT queue FROM convoke_job AS j WHERE j.state = 0 AND j.lane = plain.lane LIMIT 1) IN (SELECT queue FROM asked)) \
        UNION ALL \
        SELECT 1, lane FROM keyed WHERE lane IS NOT NULL AND (NOT EXISTS (SELECT 1 FROM asked) OR \
            (SELECT queue FROM convoke_job AS j WHERE j.state = 1 AND j.lane = keyed.lane LIMIT 1) IN (SELECT queue FROM asked)) \
    ) \
    SELECT \
        (SELECT count(*) FROM (SELECT 1 FROM lanes AS l CROSS JOIN convoke_job AS j \
            ON j.lane = l.lane AND j.state = 0 WHERE l.kind = 0 LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM lanes AS l CROSS JOIN convoke_job AS j \
            ON j.lane = l.lane AND j.state = 1 WHERE l.kind = 1 LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_job WHERE state = 2 AND state > 1 AND at <= ?3 \
            AND (NOT EXISTS (SELECT 1 FROM asked) OR queue IN (SELECT queue FROM asked)) LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_job WHERE state = 2 AND state > 1 AND at > ?3 \
            AND (NOT EXISTS (SELECT 1 FROM asked) OR queue IN (SELECT queue FROM asked)) LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_job WHERE state = 3 AND state > 1 \
            AND (NOT EXISTS (SELECT 1 FROM asked) OR queue IN (SELECT queue FROM asked)) LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_job WHERE state = 5 AND state > 1 \
            AND (NOT EXISTS (SELECT 1 FROM asked) OR queue IN (SELECT queue FROM asked)) LIMIT ?2)), \
        (SELECT min((SELECT due FROM convoke_job AS j WHERE j.lane = l.lane AND j.state = 0 ORDER BY rank LIMIT 1)) \
            FROM lanes AS l WHERE l.kind = 0), \
        (SELECT min(due) FROM (SELECT due FROM lanes AS l CROSS JOIN convoke_job AS j \
            ON j.lane = l.lane AND j.state = 1 WHERE l.kind = 1 LIMIT ?2)), \
        (SELECT at FROM convoke_job WHERE state = 2 AND state > 1 AND at <= ?3 \
            AND (NOT EXISTS (SELECT 1 FROM asked) OR queue IN (SELECT queue FROM asked)) ORDER BY at LIMIT 1)";

type Counts = (i64, i64, i64, i64, i64, i64, Option<i64>, Option<i64>, Option<i64>);

pub(super) async fn figures(jobs: &SqliteJobs, queues: &[Arc<str>], most: u64) -> Result<TaskFigures, TransportError> {
    let queues: Vec<&str> = queues.iter().map(|queue| &**queue).collect();
    // Texts can always be written.
    let queues = serde_json::to_string(&queues).unwrap_or_default();
    let (most, now) = (i64::try_from(most).unwrap_or(i64::MAX), now());
    let query = sqlx::query_as::<_, Counts>(FIGURES).bind(queues).bind(most).bind(now);
    let mut reader = jobs.store.read().await.map_err(|error| jobs.error(&error))?;
    let counts = query.fetch_one(&mut *reader).await;
    let (plain, keyed, due, scheduled, running, failed, first, first_keyed, first_due) =
        jobs.store.verified(counts).map_err(|error| jobs.error(&error))?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    let oldest = [first, first_keyed, first_due].into_iter().flatten().min();
    Ok(TaskFigures {
        waiting: count(plain.saturating_add(keyed).saturating_add(due).min(most)),
        scheduled: count(scheduled),
        running: count(running),
        failed: count(failed),
        oldest: oldest.map(|due| Duration::from_millis(now.saturating_sub(due).try_into().unwrap_or_default())),
    })
}

/// The first job of each lane but ?1 that has anything, if it has been due for longer than ?3 and nobody does that lane: none of it
/// runs, and that one does not wait for its rate.
pub(super) const UNCLAIMED: &str = "WITH RECURSIVE \
    plain (lane) AS ( \
        SELECT (SELECT lane FROM convoke_job WHERE state = 0 ORDER BY lane LIMIT 1) \
        UNION ALL \
        SELECT (SELECT lane FROM convoke_job WHERE state = 0 AND lane > plain.lane ORDER BY lane LIMIT 1) \
        FROM plain WHERE lane IS NOT NULL \
    ), \
    keyed (lane) AS ( \
        SELECT (SELECT lane FROM convoke_job WHERE state = 1 ORDER BY lane LIMIT 1) \
        UNION ALL \
        SELECT (SELECT lane FROM convoke_job WHERE state = 1 AND lane > keyed.lane ORDER BY lane LIMIT 1) \
        FROM keyed WHERE lane IS NOT NULL \
    ), \
    firsts (id) AS MATERIALIZED ( \
        SELECT (SELECT id FROM convoke_job WHERE state = 0 AND lane = plain.lane ORDER BY rank LIMIT 1) \
            FROM plain WHERE lane IS NOT NULL AND lane NOT IN (SELECT value FROM json_each(?1)) \
        UNION ALL \
        SELECT (SELECT id FROM convoke_job WHERE state = 1 AND lane = keyed.lane ORDER BY key, rank LIMIT 1) \
            FROM keyed WHERE lane IS NOT NULL AND lane NOT IN (SELECT value FROM json_each(?1)) \
    ) \
    SELECT j.id, j.task, j.queue, ?2 - j.due FROM firsts CROSS JOIN convoke_job AS j ON j.id = firsts.id \
    WHERE j.due <= ?2 - ?3 \
        AND NOT EXISTS (SELECT 1 FROM convoke_job_rate AS r WHERE r.key = j.key AND r.until > ?2 * 1000) \
        AND NOT EXISTS (SELECT 1 FROM convoke_job AS r WHERE r.state = 3 AND r.state > 1 AND r.lane = j.lane) \
    LIMIT ?4";

pub(super) async fn unclaimed(
    jobs: &SqliteJobs,
    but: &Wanted,
    longer: Duration,
    most: usize,
) -> Result<Vec<Unclaimed>, TransportError> {
    let lanes: Vec<i64> = Lane::all(but).iter().map(|lane| lane.number).collect();
    let query = sqlx::query_as::<_, (i64, String, String, i64)>(UNCLAIMED).bind(written(&lanes)).bind(now());
    let query = query.bind(millis(micros(longer))).bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut reader = jobs.store.read().await.map_err(|error| jobs.error(&error))?;
    let firsts = query.fetch_all(&mut *reader).await;
    let firsts = jobs.store.verified(firsts).map_err(|error| jobs.error(&error))?;
    let unclaimed = |(job, task, queue, waited): (i64, String, String, i64)| Unclaimed {
        job,
        task,
        queue,
        waited: Duration::from_millis(waited.try_into().unwrap_or_default()),
    };
    Ok(firsts.into_iter().map(unclaimed).collect())
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::sql::sqlite::prepare;
    use crate::tasks::sqlite::{add, lend, settle, turns};

    #[actix_rt::test]
    async fn nothing_that_is_done_for_a_job_reads_a_whole_table_or_sorts_one() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let of_these =
            [CANCEL, RETRY, PRUNE, PRUNE_RATES, FIGURES, UNCLAIMED, add::FREE, add::HOLDERS, turns::WALK, turns::TAKE];
        let all = of_these.into_iter().chain(settle::ALL).map(str::to_owned).chain(lend::all());
        for sql in all.chain([failed_sql()]) {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
            let plan: String = rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect();
            for line in plan.lines() {
                // What is read from its beginning by an index is not read to its end.
                let whole = ["SCAN convoke_", "SCAN j", "SCAN o"].iter().any(|scan| line.contains(scan));
                let is_first = line.contains("USING") && line.contains("INDEX");
                assert!(
                    !whole || is_first || line.contains("VIRTUAL TABLE"),
                    "it reads a whole table: {line}\n{sql}\n{plan}"
                );
                assert!(!line.contains("TEMP B-TREE FOR ORDER BY"), "it sorts: {line}\n{sql}\n{plan}");
            }
        }
    }
}
