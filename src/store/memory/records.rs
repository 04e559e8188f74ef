//! The records of a store in memory, as it is open.
//!
//! `db.store("orders") → MemoryRecords → lock, stage → commit → Table`

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use tokio::sync::watch;

use crate::sql::Bell;
use crate::sql::memory::{MemoryConnection, MemoryDatabase};
use crate::store::{
    Appended, Batch, Entry, KeepingRecords, KeepsRecords, OpenedRecords, Page, Records, Row, Span, StoreBuilder,
    StoreDatabase, checksum, matches_any,
};
use crate::transport::{BoxFuture, TransportError};

impl MemoryDatabase {
    /// Describes the store of this name. See [`Store`](crate::Store).
    pub fn store(&self, name: impl Into<String>) -> StoreBuilder<Self> {
        StoreBuilder::new(self, name.into())
    }
}

impl StoreDatabase for MemoryDatabase {
    type Connection = MemoryConnection;
}

impl KeepsRecords<MemoryConnection> for MemoryDatabase {
    fn open_records(&self, store: Arc<str>) -> BoxFuture<'_, OpenedRecords<MemoryConnection>> {
        let table = self.shared(&store, Mutex::<Table>::default);
        let tag = lock(&table).tag;
        let records: Arc<dyn KeepingRecords<MemoryConnection>> = Arc::new(MemoryRecords {
            at: format!("memory store {store}").into(),
            bell: Bell::of(&format!("memory {:p} store {store}", Arc::as_ptr(self.core()))),
            lock: format!("store {store}"),
            tag,
            table,
            database: self.clone(),
        });
        Box::pin(async { Ok(records) })
    }

    fn stores<'a>(&'a self, from: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        let names = self.all::<Mutex<Table>>().into_keys();
        Box::pin(async move { Ok(names.filter(|name| **name >= *from).take(most).collect()) })
    }
}

#[derive(Debug)]
struct Table {
    tag: u32,
    rows: Vec<Row>,
    /// Of the transaction that has the lock.
    pending: Vec<Row>,
}

impl Default for Table {
    fn default() -> Self {
        let tag = crate::__private::random() >> 32;
        Self { tag: tag.try_into().unwrap_or_default(), rows: Vec::new(), pending: Vec::new() }
    }
}

impl Table {
    /// In their order, with what the transaction that has the lock sees.
    fn all(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.iter().chain(&self.pending)
    }

    fn head(&self) -> u64 {
        self.all().next_back().map_or(0, |row| row.position)
    }

    fn append(&mut self, batch: Batch) -> Appended {
        let head = self.head();
        if let Some(wanted) = &batch.condition {
            if wanted.since > head {
                return Appended::Ahead(head);
            }
            let conflict = self.all().find(|row| wanted.matches(row.position, &row.topic, row.entity.as_deref()));
            if let Some(row) = conflict {
                return Appended::Conflict(row.position, row.body.clone());
            }
        }
        let now = crate::__private::wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let last = self.all().next_back().map_or(0, |row| row.at);
        let at = last.max(now.try_into().unwrap_or_default());
        for (position, Entry { topic, entity, digest, body, .. }) in (head + 1..).zip(batch.entries) {
            let before = match &entity {
                Some(_) => self.all().rev().find(|row| row.entity == entity).map_or(0, |row| row.position),
                None => 0,
            };
            let checksum = checksum(digest, position, before, at);
            self.pending.push(Row { position, at, before, checksum, topic, entity, body });
        }
        Appended::At(self.head())
    }

    fn page(&self, span: &Span) -> Page {
        let start = self.rows.partition_point(|row| row.position < span.first);
        let end = self.rows.partition_point(|row| row.position <= span.last);
        let there = &self.rows[start..end.max(start)];
        let mut page = Page { counted: Some(there.len() as u64), is_last: true, ..Page::default() };
        let mut bytes = 0;
        let mut take = |row: &Row| {
            if page.rows.len() >= span.most || bytes > span.bytes {
                page.is_last = false;
                return false;
            }
            let is_wanted = span.entity.is_none() || row.entity == span.entity;
            if is_wanted && matches_any(&span.patterns, &row.topic) {
                bytes += row.body.len();
                page.rows.push(row.clone());
            }
            true
        };
        match span.backward {
            false => drop(there.iter().take_while(|row| take(row)).count()),
            true => drop(there.iter().rev().take_while(|row| take(row)).count()),
        }
        if span.entity.is_some() || span.patterns.is_empty() {
            page.counted = None;
        }
        page
    }
}

struct MemoryRecords {
    at: Arc<str>,
    tag: u32,
    lock: String,
    database: MemoryDatabase,
    /// Read and changed only by whoever holds the gate of the database.
    table: Arc<Mutex<Table>>,
    bell: Arc<Bell>,
}

impl MemoryRecords {
    fn with<T>(&self, what: impl FnOnce(&Table) -> T) -> T {
        let _gate = self.database.gate();
        what(&lock(&self.table))
    }

    async fn add(&self, batch: Batch, transaction: &mut MemoryConnection) -> Result<Appended, TransportError> {
        self.database.check(&self.at, transaction)?;
        transaction.check(&self.at)?;
        transaction.lock(&self.at, &self.lock).await?;
        let is_first = transaction.note(&self.lock);
        let mut table = lock(&self.table);
        if is_first {
            // What another transaction had there was rolled back.
            table.pending.clear();
        }
        let appended = table.append(batch);
        drop(table);
        if is_first {
            let (table, bell) = (self.table.clone(), self.bell.clone());
            transaction.stage(move || {
                let table = &mut *lock(&table);
                table.rows.append(&mut table.pending);
            });
            transaction.afterwards(move || bell.ring());
        }
        Ok(appended)
    }
}

impl KeepingRecords<MemoryConnection> for MemoryRecords {
    fn append_within<'a>(
        &'a self,
        batch: Batch,
        transaction: &'a mut MemoryConnection,
    ) -> BoxFuture<'a, Result<Appended, TransportError>> {
        Box::pin(self.add(batch, transaction))
    }
}

impl Records for MemoryRecords {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn tag(&self) -> u32 {
        self.tag
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Appended, TransportError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            let appended = self.add(batch, &mut transaction).await?;
            transaction.commit().await?;
            Ok(appended)
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<u64, TransportError>> {
        let head = self.with(|table| table.rows.last().map_or(0, |row| row.position));
        Box::pin(async move { Ok(head) })
    }

    fn page<'a>(&'a self, span: &'a Span) -> BoxFuture<'a, Result<Page, TransportError>> {
        let page = self.with(|table| table.page(span));
        Box::pin(async move { Ok(page) })
    }

    fn time_at(&self, position: u64) -> BoxFuture<'_, Result<Option<(u64, i64)>, TransportError>> {
        let found = self.with(|table| {
            let row = table.rows.get(table.rows.partition_point(|row| row.position < position))?;
            Some((row.position, row.at))
        });
        Box::pin(async move { Ok(found) })
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
