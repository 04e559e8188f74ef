//! The records of a store of a PostgreSQL, as it is open.
//!
//! `db.store("orders") → PostgresRecords::open → add.rs, read.rs`

use std::sync::{Arc, Weak};

use sqlx::{PgConnection, Row as _};
use tokio::sync::watch;
use tokio::time::Instant;

use super::known::Known;
use super::{add, read};
use crate::sql::postgres::{ALONE, Own, PostgresDatabase, describe, late, quoted};
use crate::store::{
    Appended, Batch, KeepingRecords, KeepsRecords, OpenedRecords, Page, Records, Span, StoreBuilder, StoreDatabase,
};
use crate::transport::{Batcher, BoxFuture, TransportError};

impl PostgresDatabase {
    /// Describes the store of this name. See [`Store`](crate::Store).
    ///
    /// Whoever appends takes a lock of the store, by `pg_advisory_xact_lock`, that is held until the transaction ends; who
    /// reads takes none. What is [appended within](crate::Append::within) a transaction of yours waits for another one for no
    /// longer than the deadline of the database or its own `lock_timeout`. Under `REPEATABLE READ` and `SERIALIZABLE` a
    /// transaction that has begun before somebody else appended is an error that says so: begin it again.
    pub fn store(&self, name: impl Into<String>) -> StoreBuilder<Self> {
        StoreBuilder::new(self, name.into())
    }
}

impl StoreDatabase for PostgresDatabase {
    type Connection = PgConnection;
}

impl KeepsRecords<PgConnection> for PostgresDatabase {
    fn open_records(&self, store: Arc<str>) -> BoxFuture<'_, OpenedRecords<PgConnection>> {
        Box::pin(async move {
            let at: Arc<str> = format!("postgres store {store}").into();
            self.check(&at).await?;
            let (schema, name) = (self.schema(), quoted(&store));
            let tag = crate::__private::random() >> 32;
            let find = format!("SELECT id, tag FROM {schema}.convoke_store WHERE name = {name}");
            let mut rows = self.rows(&at, self.deadline(), &find).await?;
            if rows.is_empty() {
                let make = format!(
                    "INSERT INTO {schema}.convoke_store (tag, name) SELECT {tag}, {name} WHERE {ALONE} \
                     ON CONFLICT (name) DO NOTHING; {find}"
                );
                rows = self.rows_of(&at, self.deadline(), &make, 1).await?;
            }
            let found = rows.first().ok_or(sqlx::Error::RowNotFound);
            let found = found.and_then(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?)));
            let (id, tag) = found.map_err(|error| describe(&at, &error))?;
            let tag = tag.try_into().unwrap_or_default();
            Ok(PostgresRecords::new(at, &store, id, tag, self.clone()) as Arc<dyn KeepingRecords<PgConnection>>)
        })
    }

    fn stores<'a>(&'a self, from: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(async move {
            let at: Arc<str> = "postgres stores".into();
            self.check(&at).await?;
            let sql = format!(
                "SELECT s.name FROM {}.convoke_store AS s WHERE s.name >= {} ORDER BY s.name LIMIT {}",
                self.schema(),
                quoted(from),
                i64::try_from(most).unwrap_or(i64::MAX),
            );
            let rows = self.rows(&at, self.deadline(), &sql).await?;
            let name = |row: &sqlx::postgres::PgRow| Ok(row.try_get::<String, _>(0)?.into());
            rows.iter().map(name).collect::<Result<_, _>>().map_err(|error| describe(&at, &error))
        })
    }
}

pub(super) struct PostgresRecords {
    pub(super) at: Arc<str>,
    /// Of the store, in this database.
    pub(super) id: i32,
    pub(super) tag: u32,
    pub(super) database: PostgresDatabase,
    /// The name by which it rings, which no queue can have.
    bell: String,
    pub(super) known: Known,
    /// By which it appends while it has much to append.
    pub(super) own: Own,
    batcher: Batcher<Asked, Result<Appended, TransportError>>,
}

/// An append that waits for its turn.
pub(super) struct Asked {
    pub(super) batch: Batch,
    pub(super) bytes: usize,
    /// Nobody waits for it after this.
    pub(super) until: Instant,
}

impl PostgresRecords {
    fn new(at: Arc<str>, store: &str, id: i32, tag: u32, database: PostgresDatabase) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            let this = this.clone();
            let batcher = Batcher::new(add::MOST, move |asked: Vec<Asked>| {
                let records = this.upgrade();
                Box::pin(async move {
                    match records {
                        Some(records) => add::add_all(&records, asked).await,
                        None => Vec::new(),
                    }
                })
            });
            Self {
                at,
                id,
                tag,
                database,
                bell: format!("store {store}"),
                known: Known::default(),
                own: Own::default(),
                batcher,
            }
        })
    }

    pub(super) fn ring(&self, count: usize) {
        self.database.bells().ring(&self.bell, count);
    }

    /// Before a commit.
    pub(super) fn hint(&self) {
        self.database.bells().hint(&self.bell);
    }
}

impl KeepingRecords<PgConnection> for PostgresRecords {
    fn append_within<'a>(
        &'a self,
        batch: Batch,
        transaction: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<Appended, TransportError>> {
        Box::pin(add::add_within(self, batch, transaction))
    }
}

impl Records for PostgresRecords {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn tag(&self) -> u32 {
        self.tag
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Appended, TransportError>> {
        let until = Instant::now() + self.database.deadline();
        let bytes = batch.entries.iter().map(|entry| entry.body.len()).sum();
        let added = self.batcher.push(Asked { batch, bytes, until });
        Box::pin(async move { added.await.unwrap_or_else(|| Err(late(&self.at, self.database.deadline()))) })
    }

    fn head(&self) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(read::head(self))
    }

    fn page<'a>(&'a self, span: &'a Span) -> BoxFuture<'a, Result<Page, TransportError>> {
        Box::pin(read::page(self, span))
    }

    fn first_page<'a>(&'a self, span: &'a Span) -> BoxFuture<'a, Result<Option<Page>, TransportError>> {
        Box::pin(async move { read::page(self, span).await.map(Some) })
    }

    fn time_at(&self, position: u64) -> BoxFuture<'_, Result<Option<(u64, i64)>, TransportError>> {
        Box::pin(read::time_at(self, position))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.database.bells().listen();
        self.database.bells().watch(&self.bell)
    }
}
