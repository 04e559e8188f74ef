//! Editions of a projection in a file of SQLite.

use std::sync::Arc;

use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::time::timeout;

use super::editions::Built;
use super::editions::sealed::{Editions, KeepsEditions, Work};
use crate::sql::sqlite::{SqliteDatabase, Store, describe, late};
use crate::store::ProjectionBuilder;
use crate::store::{Project, Read};
use crate::transport::{BoxFuture, TransportError};

const LIST: &str =
    "SELECT edition, present, store, reads, position FROM convoke_projection WHERE name = ? ORDER BY edition";

impl SqliteDatabase {
    /// Describes the projection of this name, whose rows are in this database. See [`Projection`](crate::Projection).
    pub fn projection<P: Project<SqliteConnection>>(
        &self,
        name: impl Into<String>,
        records: Read,
        project: P,
    ) -> ProjectionBuilder<Self, P> {
        ProjectionBuilder::new(self, name.into(), records, project)
    }
}

impl KeepsEditions<SqliteConnection> for SqliteDatabase {
    fn editions(&self, name: Arc<str>) -> BoxFuture<'_, Result<Arc<dyn Editions<SqliteConnection>>, TransportError>> {
        Box::pin(async move {
            let at: Arc<str> = format!("sqlite projection {name}").into();
            let file = self.checked(&at).await?.clone();
            let editions = SqliteEditions { at, name, database: self.clone(), file };
            Ok(Arc::new(editions) as Arc<dyn Editions<SqliteConnection>>)
        })
    }
}

struct SqliteEditions {
    at: Arc<str>,
    name: Arc<str>,
    database: SqliteDatabase,
    file: Store,
}

impl SqliteEditions {
    async fn read(&self, connection: &mut SqliteConnection) -> Result<Vec<Built>, sqlx::Error> {
        let rows: Vec<(i64, bool, i64, i64, i64)> =
            sqlx::query_as(LIST).bind(self.name.to_string()).fetch_all(connection).await?;
        Ok(rows.into_iter().map(Built::from).collect())
    }

    async fn changed(
        &self,
        tx: &mut SqliteConnection,
        sql: &'static str,
        values: &[i64],
    ) -> Result<u64, TransportError> {
        let mut query = sqlx::query(sql).bind(self.name.to_string());
        for value in values {
            query = query.bind(*value);
        }
        let done = query.execute(tx).await.map_err(|error| describe(&self.at, &error))?;
        Ok(done.rows_affected())
    }
}

impl From<(i64, bool, i64, i64, i64)> for Built {
    fn from((edition, is_present, store, reads, position): (i64, bool, i64, i64, i64)) -> Self {
        Self {
            edition,
            is_present,
            store: store.try_into().unwrap_or_default(),
            reads,
            position: position.cast_unsigned(),
        }
    }
}

impl Editions<SqliteConnection> for SqliteEditions {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<SqliteConnection>>, TransportError>> {
        Box::pin(async {
            let (at, file) = (self.at.clone(), self.file.clone());
            let transaction = self.database.begin().await?;
            file.check().map_err(|error| describe(&at, &error))?;
            Ok(Box::new(SqliteWork { at, transaction, file }) as Box<dyn Work<SqliteConnection>>)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Built>, TransportError>> {
        Box::pin(async {
            let file = self.database.checked(&self.at).await?;
            let read = timeout(file.deadline, async { self.read(&mut *file.read().await?).await }).await;
            read.map_err(|_| late(&self.at, file.deadline))?.map_err(|error| describe(&self.at, &error))
        })
    }

    /// A transaction of ours has the lock of the file from its beginning.
    fn lock<'a>(&'a self, tx: &'a mut SqliteConnection) -> BoxFuture<'a, Result<Vec<Built>, TransportError>> {
        Box::pin(async move { self.read(tx).await.map_err(|error| describe(&self.at, &error)) })
    }

    fn insert<'a>(&'a self, tx: &'a mut SqliteConnection, built: Built) -> BoxFuture<'a, Result<bool, TransportError>> {
        let insert = "INSERT INTO convoke_projection (name, edition, present, store, reads, position) VALUES (?, ?, ?, ?, ?, ?) \
            ON CONFLICT DO NOTHING";
        let Built { edition, is_present, store, reads, position } = built;
        let values = [edition, is_present.into(), store.into(), reads, position.cast_signed()];
        Box::pin(async move { Ok(self.changed(tx, insert, &values).await? == 1) })
    }

    fn advance<'a>(
        &'a self,
        tx: &'a mut SqliteConnection,
        edition: i64,
        from: u64,
        to: u64,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        let update = "UPDATE convoke_projection SET position = ?4 WHERE name = ?1 AND edition = ?2 AND position = ?3";
        let values = [edition, from.cast_signed(), to.cast_signed()];
        Box::pin(async move { Ok(self.changed(tx, update, &values).await? == 1) })
    }

    fn stands<'a>(
        &'a self,
        tx: &'a mut SqliteConnection,
        edition: i64,
        position: u64,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let there = self.read(tx).await.map_err(|error| describe(&self.at, &error))?;
            Ok(there.iter().any(|built| built.edition == edition && built.position == position))
        })
    }

    fn written<'a>(&'a self, tx: &'a mut SqliteConnection) -> BoxFuture<'a, Result<Option<i64>, TransportError>> {
        Box::pin(async move {
            let count = sqlx::query_scalar("SELECT total_changes()").fetch_one(tx).await;
            count.map(Some).map_err(|error| describe(&self.at, &error))
        })
    }

    fn switch<'a>(
        &'a self,
        tx: &'a mut SqliteConnection,
        old: i64,
        new: i64,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let delete = "DELETE FROM convoke_projection WHERE name = ? AND edition = ?";
            self.changed(tx, delete, &[old]).await?;
            let update = "UPDATE convoke_projection SET present = 1 WHERE name = ? AND edition = ?";
            self.changed(tx, update, &[new]).await.map(drop)
        })
    }
}

struct SqliteWork {
    at: Arc<str>,
    transaction: Transaction<'static, Sqlite>,
    file: Store,
}

impl Work<SqliteConnection> for SqliteWork {
    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        let Self { at, transaction, file } = *self;
        Box::pin(async move {
            // What was written into a file that is no longer at its path is not confirmed.
            file.verified(transaction.commit().await).map_err(|error| describe(&at, &error))
        })
    }
}
