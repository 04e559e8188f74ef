//! Editions of a projection in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};
use tokio::time::timeout;

use super::editions::Built;
use super::editions::sealed::{Editions, KeepsEditions, Work};
use crate::sql::postgres::{BEGIN, PostgresDatabase, begin, describe, late};
use crate::store::ProjectionBuilder;
use crate::store::{Project, Read};
use crate::transport::{BoxFuture, TransportError};

impl PostgresDatabase {
    /// Describes the projection of this name, whose rows are in this database. See [`Projection`](crate::Projection).
    pub fn projection<P: Project<PgConnection>>(
        &self,
        name: impl Into<String>,
        records: Read,
        project: P,
    ) -> ProjectionBuilder<Self, P> {
        ProjectionBuilder::new(self, name.into(), records, project)
    }
}

impl KeepsEditions<PgConnection> for PostgresDatabase {
    fn editions(&self, name: Arc<str>) -> BoxFuture<'_, Result<Arc<dyn Editions<PgConnection>>, TransportError>> {
        Box::pin(async move {
            let at: Arc<str> = format!("postgres projection {name}").into();
            self.check(&at).await?;
            Ok(Arc::new(PostgresEditions { at, name, database: self.clone() }) as Arc<dyn Editions<PgConnection>>)
        })
    }
}

struct PostgresEditions {
    at: Arc<str>,
    name: Arc<str>,
    database: PostgresDatabase,
}

impl PostgresEditions {
    async fn read(&self, connection: &mut PgConnection, lock: &str) -> Result<Vec<Built>, sqlx::Error> {
        let sql = format!(
            "SELECT edition, present, store, reads, position FROM {}.convoke_projection WHERE name = $1 ORDER BY edition {lock}",
            self.database.schema()
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false).bind(self.name.to_string());
        let rows: Vec<(i64, bool, i64, i64, i64)> = query.fetch_all(connection).await?;
        let built = |(edition, is_present, store, reads, position): (i64, bool, i64, i64, i64)| Built {
            edition,
            is_present,
            store: store.try_into().unwrap_or_default(),
            reads,
            position: position.cast_unsigned(),
        };
        Ok(rows.into_iter().map(built).collect())
    }

    /// `{table}` stands for the table.
    async fn changed(&self, tx: &mut PgConnection, sql: &str, values: &[i64]) -> Result<u64, TransportError> {
        let sql = sql.replace("{table}", &format!("{}.convoke_projection", self.database.schema()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(self.name.to_string());
        for value in values {
            query = query.bind(*value);
        }
        let done = self.in_time(query.execute(tx)).await?.map_err(|error| describe(&self.at, &error))?;
        Ok(done.rows_affected())
    }

    /// Another process may have the row for as long as it applies records, or the server may be gone.
    async fn in_time<T>(&self, what: impl Future<Output = T>) -> Result<T, TransportError> {
        let deadline = self.database.deadline();
        timeout(deadline, what).await.map_err(|_| late(&self.at, deadline))
    }
}

impl Editions<PgConnection> for PostgresEditions {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<PgConnection>>, TransportError>> {
        Box::pin(async {
            let begun = self.in_time(begin(self.database.pool(), BEGIN)).await?;
            let transaction = begun.map_err(|error| describe(&self.at, &error))?;
            let deadline = self.database.deadline();
            Ok(Box::new(PostgresWork { at: self.at.clone(), transaction, deadline }) as Box<dyn Work<PgConnection>>)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Built>, TransportError>> {
        Box::pin(async {
            let mut work = self.begin().await?;
            self.in_time(self.read(work.connection(), "")).await?.map_err(|error| describe(&self.at, &error))
        })
    }

    fn lock<'a>(&'a self, tx: &'a mut PgConnection) -> BoxFuture<'a, Result<Vec<Built>, TransportError>> {
        Box::pin(
            async move { self.in_time(self.read(tx, "FOR UPDATE")).await?.map_err(|error| describe(&self.at, &error)) },
        )
    }

    fn insert<'a>(&'a self, tx: &'a mut PgConnection, built: Built) -> BoxFuture<'a, Result<bool, TransportError>> {
        let insert = "INSERT INTO {table} (name, edition, present, store, reads, position) VALUES ($1, $2, $3 = 1, $4, $5, $6) \
            ON CONFLICT DO NOTHING";
        let Built { edition, is_present, store, reads, position } = built;
        let values = [edition, is_present.into(), store.into(), reads, position.cast_signed()];
        Box::pin(async move { Ok(self.changed(tx, insert, &values).await? == 1) })
    }

    fn advance<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        edition: i64,
        from: u64,
        to: u64,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        let update = "UPDATE {table} SET position = $4 WHERE name = $1 AND edition = $2 AND position = $3";
        let values = [edition, from.cast_signed(), to.cast_signed()];
        Box::pin(async move { Ok(self.changed(tx, update, &values).await? == 1) })
    }

    fn stands<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        edition: i64,
        position: u64,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let there = match self.in_time(self.read(tx, "")).await? {
                Ok(there) => there,
                Err(error) if is_undone(&error) => return Ok(false),
                Err(error) => return Err(describe(&self.at, &error)),
            };
            Ok(there.iter().any(|built| built.edition == edition && built.position == position))
        })
    }

    fn written<'a>(&'a self, tx: &'a mut PgConnection) -> BoxFuture<'a, Result<Option<i64>, TransportError>> {
        let count = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_xact_user_tables";
        Box::pin(async move {
            let count = self.in_time(sqlx::query_scalar(count).persistent(false).fetch_one(tx)).await?;
            let count: Option<i64> = count.map_err(|error| describe(&self.at, &error))?;
            // The position was moved: where nothing has changed, nobody counts.
            Ok(count.filter(|count| *count > 0))
        })
    }

    fn switch<'a>(&'a self, tx: &'a mut PgConnection, old: i64, new: i64) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let delete = "DELETE FROM {table} WHERE name = $1 AND edition = $2";
            self.changed(tx, delete, &[old]).await?;
            let update = "UPDATE {table} SET present = true WHERE name = $1 AND edition = $2";
            self.changed(tx, update, &[new]).await.map(drop)
        })
    }
}

struct PostgresWork {
    at: Arc<str>,
    transaction: Transaction<'static, Postgres>,
    deadline: Duration,
}

impl Work<PgConnection> for PostgresWork {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        let Self { at, transaction, deadline } = *self;
        Box::pin(async move {
            let committed = timeout(deadline, transaction.commit()).await.map_err(|_| late(&at, deadline))?;
            committed.map_err(|error| describe(&at, &error))
        })
    }
}

/// Whether the server has undone the transaction, or knows of none.
fn is_undone(error: &sqlx::Error) -> bool {
    // in_failed_sql_transaction, no_active_sql_transaction.
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "25P02" || code == "25P01")
}
