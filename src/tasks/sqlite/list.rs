//! Jobs for who pages through them: each page goes on in an index where the one before it ended.

use sqlx::{AssertSqlSafe, Row as _};

use super::jobs::SqliteJobs;
use super::look::{COLUMNS, read};
use crate::sql::sqlite::now;
use crate::tasks::{Row, Section, Spot};
use crate::transport::TransportError;

/// The jobs behind a place, ?1 to ?4, of the task ?5 or of all, ?6 at most. Of those that run there are as many as workers have hands:
/// they are read as a whole, for the end of a lease moves.
fn sql(of: Section) -> String {
    let times = |state: u8| (format!("state = {state} AND state > 1 AND (at, id) > (?3, ?4)"), "0, 0, at", "at, id");
    let (holds, spot, order) = match of {
        Section::Running => ("state = 3 AND state > 1 AND +id > ?4".to_owned(), "0, 0, 0", "+id"),
        Section::Ready => {
            ("state = 0 AND (lane, rank, id) > (?1, ?3, ?4)".to_owned(), "lane, 0, rank", "lane, rank, id")
        }
        Section::Turn => (
            "state = 1 AND (lane, key, rank, id) > (?1, ?2, ?3, ?4)".to_owned(),
            "lane, key, rank",
            "lane, key, rank, id",
        ),
        Section::Ahead => times(2),
        Section::Done => times(4),
        Section::Failed => times(5),
        Section::Cancelled => times(6),
    };
    format!(
        "SELECT {COLUMNS}, {spot} FROM convoke_job WHERE {holds} AND (?5 IS NULL OR task = ?5) ORDER BY {order} LIMIT ?6"
    )
}

pub(super) async fn section(
    jobs: &SqliteJobs,
    of: Section,
    task: Option<&str>,
    behind: Option<Spot>,
    most: usize,
) -> Result<Vec<(Spot, Row)>, TransportError> {
    let mut behind = behind.unwrap_or([i64::MIN; 4]);
    if matches!(of, Section::Failed | Section::Cancelled | Section::Done) {
        // What has been kept for long enough is gone, whether or not it was deleted yet.
        behind = behind.max([0, 0, now(), i64::MAX]);
    }
    let [lane, key, time, id] = behind;
    let query = sqlx::query(AssertSqlSafe(sql(of))).bind(lane).bind(key).bind(time).bind(id);
    let query = query.bind(task.map(str::to_owned)).bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut reader = jobs.store.read().await.map_err(|error| jobs.error(&error))?;
    let rows = query.fetch_all(&mut *reader).await;
    let found = rows.and_then(|rows| {
        let one = |row: &sqlx::sqlite::SqliteRow| {
            let job = read(row)?;
            Ok(([row.try_get(13)?, row.try_get(14)?, row.try_get(15)?, job.id], job))
        };
        rows.iter().map(one).collect()
    });
    jobs.store.verified(found).map_err(|error| jobs.error(&error))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::sql::sqlite::prepare;

    /// A page of a million is read as one of ten: by the index of its section, from where the last one ended.
    #[actix_rt::test]
    async fn a_page_begins_in_an_index_where_the_last_one_ended() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let plans = [
            (Section::Running, "convoke_job_times (state=?)"),
            (Section::Ready, "convoke_job_ready ((lane,rank)>(?,?))"),
            (Section::Turn, "convoke_job_turns ((lane,key,rank)>(?,?,?))"),
            (Section::Ahead, "convoke_job_times (state=? AND at>?)"),
            (Section::Done, "convoke_job_times (state=? AND at>?)"),
            (Section::Failed, "convoke_job_times (state=? AND at>?)"),
            (Section::Cancelled, "convoke_job_times (state=? AND at>?)"),
        ];
        for (of, index) in plans {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql(of)));
            let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
            let plan: String = rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect();
            assert!(plan.contains(index), "{of:?}: {plan}");
            assert_eq!(plan.contains("TEMP B-TREE"), of == Section::Running, "{of:?} sorts: {plan}");
        }
    }
}
