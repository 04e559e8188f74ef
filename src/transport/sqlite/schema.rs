//! The tables that a queue needs in its file, and how a file of an older version gets them.
//!
//! `Store → prepare → convoke_schema (which version is there) → the steps that are missing, in one transaction`

use sqlx::{Connection, SqliteConnection};

/// One step for each version; a file of version `n` has had the first `n`. A step that was released never changes.
const STEPS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema-2.sql")];

/// What is wrong with the tables of a file.
#[derive(Debug)]
pub(super) enum SchemaError {
    /// They are of this version, which we do not know.
    Newer(i64),
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Makes what is missing. Two that start at once wait for each other: the second finds it done.
pub(super) async fn prepare(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    // Most of the time nothing is missing, and who only looks waits for nobody.
    if version(connection).await? == Some(known()) {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS convoke_schema (version INTEGER NOT NULL)")
        .execute(&mut *transaction)
        .await?;
    let there = version(&mut transaction).await?;
    if let Some(newer) = there.filter(|there| *there > known()) {
        return Err(SchemaError::Newer(newer));
    }
    let done = usize::try_from(there.unwrap_or(0)).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    sqlx::query("DELETE FROM convoke_schema").execute(&mut *transaction).await?;
    sqlx::query("INSERT INTO convoke_schema (version) VALUES (?1)").bind(known()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

fn known() -> i64 {
    STEPS.len().try_into().unwrap_or(i64::MAX)
}

async fn version(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'convoke_schema'";
    if sqlx::query_scalar::<_, i64>(there).fetch_one(&mut *connection).await? == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM convoke_schema").fetch_one(connection).await
}
