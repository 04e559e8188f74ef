//! An outbox in a file, as it is open.
//!
//! `db.outbox("Shop") → SqliteRows::open → insert.rs, take.rs, lanes.rs, settle.rs`

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection};
use tokio::sync::watch;
use tokio::time::timeout;

use super::alive::Sign;
use super::{insert, lanes, settle, take};
use crate::Uuid;
use crate::outbox::OutboxBuilder;
use crate::outbox::Statement;
use crate::outbox::{Dead, FirstDead, Lanes, OutboxDatabase, OutboxFigures, Taken};
use crate::outbox::{Keeping, Keeps, Opened, Rows, Rules};
use crate::sql::Bell;
use crate::sql::sqlite::{Reader, SqliteDatabase, Store, describe, late};
use crate::transport::{BoxFuture, ErrorKind, Packet, TransportError};

/// How soon after a publish its commit may be there.
const FIRST_LOOK: Duration = Duration::from_micros(100);

impl SqliteDatabase {
    /// Describes the outbox of this name, which is the name of the publisher of its events. See
    /// [`Outbox`](crate::Outbox).
    pub fn outbox(&self, name: impl Into<String>) -> OutboxBuilder<Self> {
        OutboxBuilder::new(self, name.into())
    }
}

impl OutboxDatabase for SqliteDatabase {
    type Connection = SqliteConnection;
}

impl Keeps<SqliteConnection> for SqliteDatabase {
    fn open(&self, outbox: Arc<str>) -> BoxFuture<'_, Opened<SqliteConnection>> {
        Box::pin(async move {
            let at: Arc<str> = format!("sqlite outbox {outbox}").into();
            let store = self.checked(&at).await?.clone();
            let name = format!("sqlite {:p} {outbox}", Arc::as_ptr(&store.hub));
            let (bell, rules) = (Bell::of(&name), Rules::of(name));
            let (id, generation) = (AtomicI64::new(0), AtomicU64::new(0));
            let rows = SqliteRows { at, outbox, id, generation, store, bell, rules, sign: OnceLock::new() };
            rows.in_time(rows.register()).await?;
            let rows: Arc<dyn Keeping<SqliteConnection>> = Arc::new(rows);
            Ok(rows)
        })
    }
}

#[derive(Debug)]
pub(super) struct SqliteRows {
    pub(super) at: Arc<str>,
    outbox: Arc<str>,
    /// Of the outbox, in the file.
    id: AtomicI64,
    /// In which file, of those that there were at its path.
    generation: AtomicU64,
    pub(super) store: Store,
    bell: Arc<Bell>,
    rules: Arc<Rules>,
    /// That this process lives, from the first renewal of a relay on.
    sign: OnceLock<Option<Arc<Sign>>>,
}

impl SqliteRows {
    pub(super) fn sign(&self) -> Option<&Sign> {
        self.sign.get_or_init(|| Sign::of(&self.store.file())).as_deref()
    }

    /// As a relay of this process stands in its row.
    pub(super) fn known_as(&self, relay: Uuid) -> String {
        Sign::behind(self.sign(), relay)
    }

    pub(super) fn id(&self) -> i64 {
        self.id.load(Ordering::Relaxed)
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> TransportError {
        describe(&self.at, error)
    }

    /// Looks for the outbox in the file that is there now, and makes it if it is not.
    async fn register(&self) -> Result<(), TransportError> {
        let sql = |error| self.error(&error);
        let mut reader = self.store.read().await.map_err(sql)?;
        let generation = self.store.generation();
        let there = insert::find(&mut reader, &self.outbox).await.map_err(sql)?;
        drop(reader);
        let id = match there {
            Some(id) => id,
            None => {
                let mut writer = self.store.write().await.map_err(sql)?;
                insert::make(&mut writer.connection, &self.outbox, self.id()).await.map_err(sql)?
            }
        };
        self.id.store(id, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the file is another one than that in which it was looked for.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.store.generation() != self.generation.load(Ordering::Relaxed)
    }

    /// The same of a file that a connection of the user's has open: one that was replaced is found again.
    pub(super) async fn follow(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if !self.is_elsewhere() || !self.store.is_behind(connection).await? {
            return Ok(());
        }
        // It may be rolled back; then it is made again, by the same id.
        let id = insert::make(connection, &self.outbox, self.id()).await?;
        self.id.store(id, Ordering::Relaxed);
        Ok(())
    }

    /// Finds the outbox again in a file that was replaced, for who asks how it stands.
    async fn return_to_it(&self) -> Result<(), TransportError> {
        // What reads has a file opened anew that was found gone.
        drop(self.store.read().await.map_err(|error| self.error(&error))?);
        if self.is_elsewhere() { self.register().await } else { Ok(()) }
    }

    /// What was taken from another file is nothing in this one.
    fn same(&self) -> Result<(), TransportError> {
        match self.is_elsewhere() {
            true => Err(TransportError::new(
                ErrorKind::Lost,
                self.at.clone(),
                "its file was replaced, and what was taken from it is there no more: look at `dead_letters` again",
            )),
            false => Ok(()),
        }
    }

    /// A connection for something that only reads.
    pub(super) async fn read(&self) -> Result<PoolConnection<Sqlite>, TransportError> {
        let reader = self.store.read().await.map_err(|error| self.error(&error))?;
        self.same()?;
        Ok(reader)
    }

    /// The same for what is over at once.
    pub(super) async fn glance(&self) -> Result<Reader<'_>, TransportError> {
        let reader = self.store.glance().await.map_err(|error| self.error(&error))?;
        self.same()?;
        Ok(reader)
    }

    /// Does something that writes, in one statement or one transaction.
    pub(super) async fn write<T>(
        &self,
        what: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, TransportError> {
        let mut writer = self.store.write().await.map_err(|error| self.error(&error))?;
        self.same()?;
        // What was written into a file that is no longer at its path is not confirmed.
        let written = what(&mut writer.connection).await;
        self.store.verified(written).map_err(|error| self.error(&error))
    }

    async fn in_time<T>(&self, what: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
        let deadline = self.store.deadline;
        timeout(deadline, what).await.unwrap_or_else(|_| Err(late(&self.at, deadline)))
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
    }
}

impl Keeping<SqliteConnection> for SqliteRows {
    fn insert<'a>(
        &'a self,
        packets: Vec<Packet>,
        transaction: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(insert::insert(self, packets, transaction))
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn statement(&self, packet: Packet) -> Statement {
        self.ring();
        insert::statement(self.id(), packet)
    }
}

impl Rows for SqliteRows {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn lanes<'a>(
        &'a self,
        relay: Uuid,
        lease: Duration,
        busy: &'a [u16],
    ) -> BoxFuture<'a, Result<Lanes, TransportError>> {
        Box::pin(self.in_time(async move {
            if self.is_elsewhere() {
                self.register().await?;
            }
            lanes::renew(self, relay, lease, busy).await
        }))
    }

    fn leave<'a>(&'a self, relay: Uuid) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.in_time(lanes::leave(self, relay)))
    }

    fn take<'a>(
        &'a self,
        done: &'a [i64],
        lanes: &'a [u16],
        most: usize,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Taken>, TransportError>> {
        Box::pin(self.in_time(take::take(self, done, lanes, most, bytes)))
    }

    fn dead_keys<'a>(&'a self, lanes: &'a [u16], most: usize) -> BoxFuture<'a, Result<FirstDead, TransportError>> {
        Box::pin(self.in_time(settle::dead_keys(self, lanes, most)))
    }

    fn first_dead<'a>(&'a self, positions: &'a [i64]) -> BoxFuture<'a, Result<FirstDead, TransportError>> {
        Box::pin(self.in_time(settle::first_dead(self, positions)))
    }

    fn bury<'a>(&'a self, relay: Uuid, dead: &'a [(i64, String)]) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.in_time(settle::bury(self, relay, dead)))
    }

    fn park<'a>(&'a self, relay: Uuid, positions: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>, TransportError>> {
        Box::pin(self.in_time(settle::park(self, relay, positions)))
    }

    fn figures<'a>(&'a self, most: u64) -> BoxFuture<'a, Result<OutboxFigures, TransportError>> {
        Box::pin(self.in_time(async move {
            self.return_to_it().await?;
            take::figures(self, most).await
        }))
    }

    fn dead<'a>(&'a self, after: i64, most: usize) -> BoxFuture<'a, Result<Vec<Dead>, TransportError>> {
        Box::pin(self.in_time(async move {
            self.return_to_it().await?;
            settle::dead(self, after, most).await
        }))
    }

    fn redrive(&self, from: i64, to: i64, most: usize) -> BoxFuture<'_, Result<Vec<i64>, TransportError>> {
        Box::pin(self.in_time(async move {
            let redriven = settle::redrive(self, from, to, most).await?;
            self.ring();
            Ok(redriven)
        }))
    }

    fn discard(&self, position: i64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.in_time(async move {
            let discarded = settle::discard(self, position).await?;
            self.ring();
            Ok(discarded)
        }))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }

    fn first_look(&self) -> Duration {
        FIRST_LOOK
    }
}
