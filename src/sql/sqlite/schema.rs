//! The tables in a file, and how a file of an older version gets them.
//!
//! `Store → prepare → convoke_schema (which version is there) → the steps that are missing, in one transaction`

use sqlx::{Connection, SqliteConnection};

use crate::sql::{Step, Steps, Tables, Unfit, Version};

/// One step for each version.
const STEPS: Steps = Steps(&[
    Step { sql: include_str!("steps/1.sql"), older_go_on: false, brings: "queues and inboxes" },
    Step { sql: include_str!("steps/2.sql"), older_go_on: false, brings: "deliveries that nobody has settled" },
    Step { sql: include_str!("steps/3.sql"), older_go_on: true, brings: "outboxes" },
    // An older program lends no row of a state that it does not know, nor one behind it.
    Step { sql: include_str!("steps/4.sql"), older_go_on: true, brings: "dead letters that stay in their places" },
    Step { sql: include_str!("steps/5.sql"), older_go_on: true, brings: "stores" },
    Step { sql: include_str!("steps/6.sql"), older_go_on: true, brings: "tasks" },
    Step { sql: include_str!("steps/7.sql"), older_go_on: true, brings: "durable rounds" },
]);

/// What is wrong with the tables of a file.
#[derive(Debug)]
pub(crate) enum SchemaError {
    /// They are of a version with which this program does not work.
    Unfit(Unfit),
    /// There are none.
    Missing,
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Unfit> for SchemaError {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// Makes what is missing. Two that start at once wait for each other: the second finds it done.
pub(crate) async fn prepare(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    // Most of the time nothing is missing, and who only looks waits for nobody.
    if let Some(there) = version(connection).await?
        && STEPS.missing(Some(there))?.is_empty()
    {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Files that were made before have no `oldest`: their own version is the oldest that may use them.
    let table = "CREATE TABLE IF NOT EXISTS convoke_schema (version INTEGER NOT NULL, oldest INTEGER)";
    sqlx::raw_sql(table).execute(&mut *transaction).await?;
    for step in STEPS.missing(version(&mut transaction).await?)? {
        sqlx::raw_sql(step.sql).execute(&mut *transaction).await?;
    }
    if !has_oldest(&mut transaction).await? {
        sqlx::raw_sql("ALTER TABLE convoke_schema ADD COLUMN oldest INTEGER").execute(&mut *transaction).await?;
    }
    let Version { number, oldest } = STEPS.after_all();
    sqlx::query("DELETE FROM convoke_schema").execute(&mut *transaction).await?;
    let note = sqlx::query("INSERT INTO convoke_schema (version, oldest) VALUES (?1, ?2)").bind(number).bind(oldest);
    note.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Looks whether the tables are there, and of a version with which this program works.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    let there = version(connection).await?.ok_or(SchemaError::Missing)?;
    Ok(STEPS.check(there)?)
}

/// Says how the tables stand, and changes nothing.
pub(super) async fn tables(connection: &mut SqliteConnection) -> Result<Tables, sqlx::Error> {
    Ok(Tables::of(STEPS, version(connection).await?))
}

async fn version(connection: &mut SqliteConnection) -> Result<Option<Version>, sqlx::Error> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'convoke_schema'";
    if sqlx::query_scalar::<_, i64>(there).fetch_one(&mut *connection).await? == 0 {
        return Ok(None);
    }
    let read = match has_oldest(connection).await? {
        true => "SELECT version, coalesce(oldest, version) FROM convoke_schema ORDER BY version DESC LIMIT 1",
        false => "SELECT version, version FROM convoke_schema ORDER BY version DESC LIMIT 1",
    };
    let read = sqlx::query_as::<_, (i64, i64)>(read).fetch_optional(connection).await?;
    Ok(read.map(|(number, oldest)| Version { number, oldest }))
}

async fn has_oldest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let has = "SELECT count(*) FROM pragma_table_info('convoke_schema') WHERE name = 'oldest'";
    Ok(sqlx::query_scalar::<_, i64>(has).fetch_one(connection).await? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn file() -> SqliteConnection {
        SqliteConnection::connect("sqlite::memory:").await.unwrap()
    }

    /// The version that this program makes, and the one behind it.
    fn present() -> (i64, i64) {
        let number = STEPS.after_all().number;
        (number, number + 1)
    }

    async fn written(connection: &mut SqliteConnection, sql: impl AsRef<str>) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.as_ref().to_owned())).execute(connection).await.unwrap();
    }

    #[actix_rt::test]
    async fn a_file_of_an_older_release_takes_the_steps_that_it_has_not_had() {
        let mut file = file().await;
        written(&mut file, include_str!("steps/1.sql")).await;
        written(
            &mut file,
            "CREATE TABLE convoke_schema (version INTEGER NOT NULL); INSERT INTO convoke_schema VALUES (1)",
        )
        .await;
        prepare(&mut file).await.unwrap();
        assert_eq!(version(&mut file).await.unwrap(), Some(STEPS.after_all()));
        prepare(&mut file).await.unwrap();
        check(&mut file).await.unwrap();
    }

    #[actix_rt::test]
    async fn a_file_that_has_no_column_for_the_oldest_is_left_as_it_is_if_nothing_is_missing() {
        let mut file = file().await;
        prepare(&mut file).await.unwrap();
        written(&mut file, "DROP TABLE convoke_schema; CREATE TABLE convoke_schema (version INTEGER NOT NULL)").await;
        let (present, next) = present();
        written(&mut file, format!("INSERT INTO convoke_schema VALUES ({present})")).await;
        prepare(&mut file).await.unwrap();
        assert!(!has_oldest(&mut file).await.unwrap());
        written(&mut file, format!("UPDATE convoke_schema SET version = {next}")).await;
        assert!(matches!(prepare(&mut file).await, Err(SchemaError::Unfit(Unfit::Newer(_)))));
    }

    #[actix_rt::test]
    async fn a_file_of_the_last_release_gets_an_outbox_and_that_release_goes_on() {
        let mut file = file().await;
        for step in &STEPS.0[..2] {
            written(&mut file, step.sql).await;
        }
        written(&mut file, "CREATE TABLE convoke_schema (version INTEGER NOT NULL)").await;
        written(&mut file, "INSERT INTO convoke_schema VALUES (2)").await;
        prepare(&mut file).await.unwrap();
        assert_eq!(version(&mut file).await.unwrap(), Some(Version { number: present().0, oldest: 2 }));
        written(&mut file, "INSERT INTO convoke_outbox_name (id, name) VALUES (7, 'Shop')").await;
    }

    #[actix_rt::test]
    async fn a_newer_file_may_say_that_this_program_goes_on() {
        let mut file = file().await;
        assert!(matches!(check(&mut file).await, Err(SchemaError::Missing)));
        prepare(&mut file).await.unwrap();
        written(&mut file, "UPDATE convoke_schema SET version = 9, oldest = 2").await;
        prepare(&mut file).await.unwrap();
        check(&mut file).await.unwrap();
        assert_eq!(version(&mut file).await.unwrap(), Some(Version { number: 9, oldest: 2 }));
        written(&mut file, format!("UPDATE convoke_schema SET oldest = {}", present().1)).await;
        assert!(matches!(prepare(&mut file).await, Err(SchemaError::Unfit(Unfit::Newer(_)))));
        assert!(matches!(check(&mut file).await, Err(SchemaError::Unfit(Unfit::Newer(_)))));
    }
}
