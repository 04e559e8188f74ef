//! The tables, and how they get from one version to the next.
//!
//! `migrate → a lock → convoke_schema (what is there) → the steps that are missing, in one transaction`

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::database::Core;
use super::fault::describe;
use super::session::{BEGIN, begin};
use crate::sql::{Step, Steps, Tables, Unfit, Version};
use crate::transport::{ErrorKind, TransportError};

/// `{schema}` stands for the schema in all of them.
const STEPS: Steps = Steps(&[
    Step { sql: include_str!("steps/1.sql"), older_go_on: false, brings: "queues and inboxes" },
    Step { sql: include_str!("steps/2.sql"), older_go_on: true, brings: "outboxes" },
    // An older program lends no row of a state that it does not know, nor one behind it.
    Step { sql: include_str!("steps/3.sql"), older_go_on: true, brings: "dead letters that stay in their places" },
    Step { sql: include_str!("steps/4.sql"), older_go_on: true, brings: "stores" },
    Step {
        sql: concat!(include_str!("steps/5.sql"), include_str!("steps/5-lend.sql")),
        older_go_on: true,
        brings: "tasks",
    },
    Step { sql: include_str!("steps/6.sql"), older_go_on: true, brings: "durable rounds" },
]);

/// Returns each index that the steps make, with its table.
pub(crate) fn indexes_of_steps() -> impl Iterator<Item = (&'static str, &'static str)> {
    STEPS.0.iter().flat_map(|step| step.sql.lines()).filter_map(|line| {
        let made = line.trim_start().strip_prefix("CREATE ")?;
        let (name, on) =
            made.strip_prefix("UNIQUE ").unwrap_or(made).strip_prefix("INDEX ")?.split_once(" ON {schema}.")?;
        Some((name, on.split_once(' ')?.0))
    })
}

/// Makes what is missing. Two that start at once wait for each other: the second finds it done.
pub(super) async fn migrate(core: &Core) -> Result<(), TransportError> {
    let sql = |error: sqlx::Error| describe(&core.at, &error);
    let mut transaction = begin(&core.pool, BEGIN).await.map_err(sql)?;
    let schema = &core.schema;
    let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended('convoke migrates {schema}', 0))");
    run(&mut transaction, lock).await.map_err(sql)?;
    // Who may not create a schema may use one that is there.
    let is_there = format!("SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'");
    let is_there = sqlx::raw_sql(AssertSqlSafe(is_there)).fetch_optional(&mut *transaction).await.map_err(sql)?;
    if is_there.is_none() {
        run(&mut transaction, format!("CREATE SCHEMA {schema}")).await.map_err(sql)?;
    }
    let there = match has_table(&mut transaction, schema).await.map_err(sql)? {
        true => version(&mut transaction, schema).await.map_err(sql)?,
        false => None,
    };
    let missing = STEPS.missing(there).map_err(|unfit| unfit_error(&core.at, unfit))?;
    if missing.is_empty() {
        return Ok(());
    }
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {schema}.convoke_schema (version bigint NOT NULL, oldest bigint NOT NULL); \
         DELETE FROM {schema}.convoke_schema"
    );
    run(&mut transaction, table).await.map_err(sql)?;
    for step in missing {
        run(&mut transaction, step.sql.replace("{schema}", schema)).await.map_err(sql)?;
    }
    let Version { number, oldest } = STEPS.after_all();
    let note = format!("INSERT INTO {schema}.convoke_schema (version, oldest) VALUES ({number}, {oldest})");
    run(&mut transaction, note).await.map_err(sql)?;
    transaction.commit().await.map_err(sql)
}

/// Looks whether the tables are there, and of a version that this program knows.
pub(super) async fn check(core: &Core, at: &Arc<str>) -> Result<(), TransportError> {
    let sql = |error: sqlx::Error| describe(at, &error);
    let mut connection = core.pool.acquire().await.map_err(sql)?;
    match version(&mut connection, &core.schema).await.map_err(sql)? {
        Some(there) => STEPS.check(there).map_err(|unfit| unfit_error(at, unfit)),
        None => Err(TransportError::new(ErrorKind::Missing, at.clone(), "its tables are half made: call `migrate()`")),
    }
}

/// Says how the tables stand, and changes nothing.
pub(super) async fn tables(core: &Core) -> Result<Tables, TransportError> {
    let sql = |error: sqlx::Error| describe(&core.at, &error);
    let mut connection = core.pool.acquire().await.map_err(sql)?;
    let there = match has_table(&mut connection, &core.schema).await.map_err(sql)? {
        true => version(&mut connection, &core.schema).await.map_err(sql)?,
        false => None,
    };
    Ok(Tables::of(STEPS, there))
}

fn unfit_error(at: &Arc<str>, unfit: Unfit) -> TransportError {
    let kind = match unfit {
        Unfit::Newer(_) => ErrorKind::Refused,
        Unfit::Older { .. } => ErrorKind::Missing,
    };
    TransportError::new(kind, at.clone(), unfit.to_string())
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

async fn has_table(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    let sql = format!("SELECT to_regclass('{schema}.convoke_schema') IS NOT NULL");
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)
}

async fn version(connection: &mut PgConnection, schema: &str) -> Result<Option<Version>, sqlx::Error> {
    let sql = format!("SELECT version, oldest FROM {schema}.convoke_schema");
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(connection).await?;
    row.map(|row| Ok(Version { number: row.try_get(0)?, oldest: row.try_get(1)? })).transpose()
}
