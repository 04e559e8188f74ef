//! The records of a store in a file, as it is open.
//!
//! `db.store("orders") → SqliteRecords::open → add.rs, read.rs`

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{add, read};
use crate::sql::Bell;
use crate::sql::sqlite::{SqliteDatabase, Store, describe, late};
use crate::store::{
    Appended, Batch, KeepingRecords, KeepsRecords, OpenedRecords, Page, Records, Span, StoreBuilder, StoreDatabase,
};
use crate::transport::{Batcher, BoxFuture, ErrorKind, TransportError};

impl SqliteDatabase {
    /// Describes the store of this name. See [`Store`](crate::Store).
    ///
    /// Who appends has the lock of the file, for SQLite lets one write at a time: also to other stores, queues and tables.
    pub fn store(&self, name: impl Into<String>) -> StoreBuilder<Self> {
        StoreBuilder::new(self, name.into())
    }
}

impl StoreDatabase for SqliteDatabase {
    type Connection = SqliteConnection;
}

impl KeepsRecords<SqliteConnection> for SqliteDatabase {
    fn open_records(&self, store: Arc<str>) -> BoxFuture<'_, OpenedRecords<SqliteConnection>> {
        Box::pin(async move {
            let at: Arc<str> = format!("sqlite store {store}").into();
            let file = self.checked(&at).await?.clone();
            let made = async {
                let found = add::find(&mut *file.read().await?, &store).await?;
                match found {
                    Some(found) => Ok(found),
                    None => add::make(&mut file.write().await?.connection, &store).await,
                }
            };
            let made = timeout(file.deadline, made).await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
            let (id, tag) = made.map_err(|error| describe(&at, &error))?;
            let bell = Bell::of(&format!("sqlite {:p} store {store}", Arc::as_ptr(&file.hub)));
            let generation = file.generation();
            Ok(SqliteRecords::new(at, id, tag, generation, file, bell) as Arc<dyn KeepingRecords<SqliteConnection>>)
        })
    }

    fn stores<'a>(&'a self, from: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(async move {
            let at: Arc<str> = "sqlite stores".into();
            let file = self.checked(&at).await?;
            let listed = async {
                let names = add::names(&mut *file.read().await?, from, most).await;
                file.verified(names)
            };
            let listed = timeout(file.deadline, listed).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            listed.map_err(|error| describe(&at, &error))
        })
    }
}

pub(super) struct SqliteRecords {
    pub(super) at: Arc<str>,
    /// Of the store, in this file.
    pub(super) id: i64,
    pub(super) tag: u32,
    /// In which file, of those that there were at its path.
    generation: u64,
    pub(super) file: Store,
    bell: Arc<Bell>,
    /// How many pages more are read record by record, because a record was large.
    apart: AtomicU32,
    batcher: Batcher<Asked, Result<Appended, TransportError>>,
}

/// See [`SqliteRecords::pause_joins`].
const APART: u32 = 16;

/// An append that waits for its turn.
pub(super) struct Asked {
    pub(super) batch: Batch,
    /// Nobody waits for it after this.
    pub(super) until: Instant,
}

impl SqliteRecords {
    fn new(at: Arc<str>, id: i64, tag: u32, generation: u64, file: Store, bell: Arc<Bell>) -> Arc<Self> {
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
            Self { at, id, tag, generation, file, bell, apart: AtomicU32::new(0), batcher }
        })
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> TransportError {
        describe(&self.at, error)
    }

    pub(super) fn late(&self) -> TransportError {
        late(&self.at, self.file.deadline)
    }

    /// The store is in this file, and in no other that is put in its place.
    pub(super) fn same(&self) -> Result<(), TransportError> {
        match self.file.generation() == self.generation {
            true => Ok(()),
            false => Err(self.gone()),
        }
    }

    pub(super) fn gone(&self) -> TransportError {
        let text = "its file was replaced, and is another store: open it again, and read it from the beginning";
        TransportError::new(ErrorKind::Missing, self.at.clone(), text)
    }

    /// A connection for something that only reads.
    pub(super) async fn read(&self) -> Result<PoolConnection<Sqlite>, TransportError> {
        let reader = self.file.read().await.map_err(|error| self.error(&error))?;
        self.same()?;
        Ok(reader)
    }

    /// Whether the next page is read as one row.
    pub(super) fn joins(&self) -> bool {
        self.apart.fetch_update(Relaxed, Relaxed, |pages| pages.checked_sub(1)).is_err()
    }

    /// To read many as one row, and then one by one, costs more than the latter alone.
    pub(super) fn pause_joins(&self) {
        self.apart.store(APART, Relaxed);
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    async fn in_time<T>(&self, what: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
        timeout(self.file.deadline, what).await.unwrap_or_else(|_| Err(self.late()))
    }
}

impl KeepingRecords<SqliteConnection> for SqliteRecords {
    fn append_within<'a>(
        &'a self,
        batch: Batch,
        transaction: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Appended, TransportError>> {
        Box::pin(add::add_within(self, batch, transaction))
    }
}

impl Records for SqliteRecords {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn tag(&self) -> u32 {
        self.tag
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Appended, TransportError>> {
        let until = Instant::now() + self.file.deadline;
        let added = self.batcher.push(Asked { batch, until });
        Box::pin(async move { added.await.unwrap_or_else(|| Err(self.late())) })
    }

    fn head(&self) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(self.in_time(read::head(self)))
    }

    fn page<'a>(&'a self, span: &'a Span) -> BoxFuture<'a, Result<Page, TransportError>> {
        Box::pin(self.in_time(read::page(self, span)))
    }

    fn time_at(&self, position: u64) -> BoxFuture<'_, Result<Option<(u64, i64)>, TransportError>> {
        Box::pin(self.in_time(read::time_at(self, position)))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }
}
