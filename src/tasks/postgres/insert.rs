//! Jobs that have no unique key, and differ in nothing but payload and key: one `INSERT`, without a function of the server.
//!
//! `NewJob, … → Alike → INSERT … SELECT … FROM unnest(payloads, keys)`, `nothing was inserted → add.rs, which says why`

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::add::texts;
use super::jobs::PostgresJobs;
use crate::sql::postgres::{array, quoted};
use crate::tasks::NewJob;
use crate::tasks::queue::{key_of, lane_of, micros, wait_of};

/// Where no statement is kept, so many are sent with their values in the text: that is one round trip, and not two.
const FEW: usize = 16;

/// What is inserted of each job, and in which order.
const COLUMNS: &str = "lane, rank, due, at, key, expires, attempts, state, hold, queue, task, cause, payload";

/// Jobs that differ in nothing else.
pub(super) struct Alike<'a> {
    first: &'a NewJob,
    jobs: &'a [NewJob],
}

/// What stands for the values in the text of a statement.
struct Values {
    database: String,
    lane: String,
    head: String,
    wait: String,
    expires: String,
    attempts: String,
    queue: String,
    task: String,
    cause: String,
    /// With the columns `payload`, `key` and `place`.
    jobs: String,
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

    fn keys(&self) -> impl Iterator<Item = Option<i64>> {
        self.jobs.iter().map(|job| job.key.as_ref().map(|key| key_of(&job.task, key)))
    }

    fn attempts(&self) -> i32 {
        self.first.attempts.try_into().unwrap_or(i32::MAX)
    }

    /// Inserts them if this holds and the connection is one of this database; nothing comes back if not.
    pub(super) async fn insert(
        &self,
        jobs: &PostgresJobs,
        holds: &str,
        connection: &mut PgConnection,
    ) -> Result<Option<Vec<i64>>, sqlx::Error> {
        let (schema, is_kept) = (jobs.database.schema(), connection.cached_statements_size() > 0);
        if !is_kept && self.jobs.len() <= FEW {
            let sql = self.text(schema, &jobs.id(), holds);
            return sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0);
        }
        let sql = Values::bound().sql(schema, holds);
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(is_kept);
        let query = query.bind(jobs.id().to_string()).bind(lane_of(&self.first.queue, &self.first.task));
        let query = query.bind(micros(self.first.head_start)).bind(wait_of(self.first.due));
        let query = query.bind(self.first.expires.map(micros)).bind(self.attempts());
        let query = query.bind(&*self.first.queue).bind(&*self.first.task).bind(self.first.cause.as_deref());
        let payloads: Vec<&str> = self.jobs.iter().map(|job| &*job.payload).collect();
        let query = query.bind(payloads).bind(self.keys().collect::<Vec<_>>());
        query.fetch_one(connection).await?.try_get(0)
    }

    /// The statement with their values in its text.
    pub(super) fn text(&self, schema: &str, database: &str, holds: &str) -> String {
        let null = |text: Option<String>| text.unwrap_or_else(|| "NULL".to_owned());
        let number = |number: Option<i64>| null(number.map(|number| number.to_string()));
        let jobs = match self.jobs {
            [job] => {
                let (payload, key) = (quoted(&job.payload), number(self.keys().next().flatten()));
                format!("(VALUES ({payload}, {key}::bigint, 1)) AS new (payload, key, place)")
            }
            jobs => {
                let payloads = texts(jobs.iter().map(|job| Some(&*job.payload)));
                let keys = array(self.keys().map(number));
                format!("unnest({payloads}, '{keys}'::bigint[]) WITH ORDINALITY AS new (payload, key, place)")
            }
        };
        let values = Values {
            database: quoted(database),
            lane: lane_of(&self.first.queue, &self.first.task).to_string(),
            head: micros(self.first.head_start).to_string(),
            wait: format!("({})", wait_of(self.first.due)),
            expires: number(self.first.expires.map(micros)),
            attempts: self.attempts().to_string(),
            queue: quoted(&self.first.queue),
            task: quoted(&self.first.task),
            cause: null(self.first.cause.as_deref().map(quoted)),
            jobs,
        };
        values.sql(schema, holds)
    }
}

impl Values {
    /// They are bound, in this order.
    fn bound() -> Self {
        Self {
            database: "$1".to_owned(),
            lane: "$2::bigint".to_owned(),
            head: "$3::bigint".to_owned(),
            wait: "$4::bigint".to_owned(),
            expires: "$5::bigint".to_owned(),
            attempts: "$6::integer".to_owned(),
            queue: "$7::text".to_owned(),
            task: "$8::text".to_owned(),
            cause: "$9::text".to_owned(),
            jobs: "unnest($10::text[], $11::bigint[]) WITH ORDINALITY AS new (payload, key, place)".to_owned(),
        }
    }

    /// Numbers are drawn in the order of the jobs.
    fn sql(&self, schema: &str, holds: &str) -> String {
        let Self { database, lane, head, wait, expires, attempts, queue, task, cause, jobs } = self;
        format!(
            "WITH added AS ( \
                 INSERT INTO {schema}.convoke_job ({COLUMNS}) \
                 SELECT {lane}, t.due - {head}, t.due, t.due, new.key, {expires}, {attempts}, \
                     CASE WHEN t.due > t.moment THEN 2 WHEN new.key IS NULL THEN 0 ELSE 1 END, 0, {queue}, {task}, {cause}, new.payload \
                 FROM ( \
                     SELECT m.moment, CASE WHEN {wait} < 0 THEN m.moment - 1 - {wait} ELSE greatest({wait}, m.moment) END AS due \
                     FROM (SELECT {schema}.convoke_micros_1() AS moment) AS m \
                 ) AS t CROSS JOIN {jobs} \
                 WHERE EXISTS (SELECT 1 FROM {schema}.convoke_database WHERE id = {database}) AND {holds} \
                 ORDER BY new.place RETURNING id \
             ) SELECT array_agg(id ORDER BY id) FROM added"
        )
    }
}
