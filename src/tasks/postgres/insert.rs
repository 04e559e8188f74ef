//! Jobs that have no unique key, and differ in nothing but payload and key.
//!
//! `NewJob, … → Alike → convoke_job_alike_1(what is the same, payloads, keys)`

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::add::texts;
use super::jobs::PostgresJobs;
use crate::sql::postgres::{array, quoted};
use crate::tasks::NewJob;
use crate::tasks::queue::{key_of, lane_of, micros, wait_of};

/// Where no statement is kept, so many are sent with their values in the text: that is one round trip, and not two.
const FEW: usize = 16;

/// Jobs that differ in nothing else.
pub(super) struct Alike<'a> {
    first: &'a NewJob,
    jobs: &'a [NewJob],
}

impl<'a> Alike<'a> {
    pub(super) fn of(jobs: &'a [NewJob]) -> Option<Self> {
        let first = jobs.first()?;
        let is_like = |job: &NewJob| {
            job.unique.is_none()
                && job.due == first.due
                && job.head_start == first.head_start
                && job.expires == first.expires
                && job.attempts == first.attempts
                && job.queue == first.queue
                && job.task == first.task
                && job.cause == first.cause
        };
        jobs.iter().all(is_like).then_some(Self { first, jobs })
    }

    fn lane(&self) -> i64 {
        lane_of(&self.first.queue, &self.first.task)
    }

    fn keys(&self) -> impl Iterator<Item = Option<i64>> {
        self.jobs.iter().map(|job| job.key.as_ref().map(|key| key_of(&job.task, key)))
    }

    fn attempts(&self) -> i32 {
        self.first.attempts.try_into().unwrap_or(i32::MAX)
    }

    /// Inserts them if this holds; nothing comes back if it does not.
    pub(super) async fn insert(
        &self,
        jobs: &PostgresJobs,
        holds: &str,
        connection: &mut PgConnection,
    ) -> Result<Option<Vec<i64>>, sqlx::Error> {
        let (schema, is_kept) = (jobs.database.schema(), connection.cached_statements_size() > 0);
        let row = if !is_kept && self.jobs.len() <= FEW {
            let sql = format!("{} WHERE {holds}", self.call(schema, &jobs.id()));
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(connection).await?
        } else {
            let sql = format!(
                "SELECT {schema}.convoke_job_alike_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WHERE {holds}"
            );
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(is_kept);
            let query = query.bind(jobs.id().to_string()).bind(self.lane());
            let query = query.bind(&*self.first.queue).bind(&*self.first.task).bind(self.attempts());
            let query = query.bind(wait_of(self.first.due)).bind(micros(self.first.head_start));
            let query = query.bind(self.first.expires.map(micros)).bind(self.first.cause.as_deref());
            let payloads: Vec<&str> = self.jobs.iter().map(|job| &*job.payload).collect();
            query.bind(payloads).bind(self.keys().collect::<Vec<_>>()).fetch_optional(connection).await?
        };
        row.map(|row| row.try_get(0)).transpose()
    }

    /// The call that adds them, with their values in its text, so that it is one message.
    pub(super) fn call(&self, schema: &str, database: &str) -> String {
        let null = |text: Option<String>| text.unwrap_or_else(|| "NULL".to_owned());
        let number = |number: Option<i64>| null(number.map(|number| number.to_string()));
        format!(
            "SELECT {schema}.convoke_job_alike_1({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, '{}')",
            quoted(database),
            self.lane(),
            quoted(&self.first.queue),
            quoted(&self.first.task),
            self.attempts(),
            wait_of(self.first.due),
            micros(self.first.head_start),
            number(self.first.expires.map(micros)),
            null(self.first.cause.as_deref().map(quoted)),
            texts(self.jobs.iter().map(|job| Some(&*job.payload))),
            array(self.keys().map(number)),
        )
    }
}
