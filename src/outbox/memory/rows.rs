//! An outbox in memory, as it is open.
//!
//! `db.outbox("Shop") → MemoryRows → lock the keys, stage → commit → Table`

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::table::Table;
use crate::__private::{note_letter, saw_letters};
use crate::Uuid;
use crate::outbox::{
    Dead, FirstDead, Keeping, Keeps, Lanes, Opened, OutboxBuilder, OutboxDatabase, OutboxFigures, Rows, Rules,
    SqlValue, Statement, Taken,
};
use crate::sql::memory::{MemoryConnection, MemoryDatabase};
use crate::sql::{Bell, read_attributes, write_attributes};
use crate::transport::{BoxFuture, ErrorKind, Packet, TransportError};

/// It rings behind the commit: what it rings for is there.
const FIRST_LOOK: Duration = Duration::from_micros(100);

/// What stands in place of the text of a statement.
const STATEMENT: &str = "outbox in memory: name, packet, topic, key, attributes, body";

impl MemoryDatabase {
    /// Describes the outbox of this name, which is the name of the publisher of its events. See
    /// [`Outbox`](crate::Outbox).
    pub fn outbox(&self, name: impl Into<String>) -> OutboxBuilder<Self> {
        OutboxBuilder::new(self, name.into())
    }
}

impl MemoryConnection {
    /// Runs a statement of an [outbox](crate::Outbox::statement) of this database, in place of a client of another
    /// library.
    ///
    /// # Errors
    ///
    /// Those of [`Outbox::publish`](crate::Outbox::publish), and `Refused` if it is no statement of an outbox in memory.
    pub async fn run(&mut self, statement: Statement) -> Result<(), TransportError> {
        match (&*statement.sql, <[SqlValue; 6]>::try_from(statement.values)) {
            (
                STATEMENT,
                Ok(
                    [
                        SqlValue::Text(Some(name)),
                        SqlValue::Text(Some(id)),
                        SqlValue::Text(topic),
                        SqlValue::Text(key),
                        SqlValue::Text(attributes),
                        SqlValue::Bytes(body),
                    ],
                ),
            ) => {
                let mut packet = Packet::new(id, body);
                (packet.topic, packet.key) = (topic.unwrap_or_default(), key);
                packet.attributes = read_attributes(attributes.as_deref());
                let rows = MemoryRows::of(&MemoryDatabase::of(self.core().clone()), &name);
                rows.insert(vec![packet], self).await
            }
            _ => {
                let text = "it is no statement of an outbox in memory: run what `Outbox::statement` has returned";
                Err(TransportError::new(ErrorKind::Refused, "memory database", text))
            }
        }
    }
}

impl OutboxDatabase for MemoryDatabase {
    type Connection = MemoryConnection;
}

impl Keeps<MemoryConnection> for MemoryDatabase {
    fn open(&self, outbox: Arc<str>) -> BoxFuture<'_, Opened<MemoryConnection>> {
        let rows: Arc<dyn Keeping<MemoryConnection>> = Arc::new(MemoryRows::of(self, &outbox));
        Box::pin(async { Ok(rows) })
    }
}

struct MemoryRows {
    at: Arc<str>,
    outbox: Arc<str>,
    database: MemoryDatabase,
    /// Read and changed only by whoever holds the gate of the database.
    table: Arc<Mutex<Table>>,
    bell: Arc<Bell>,
    rules: Arc<Rules>,
}

impl MemoryRows {
    fn of(database: &MemoryDatabase, outbox: &str) -> Self {
        Self {
            at: format!("memory outbox {outbox}").into(),
            outbox: outbox.into(),
            table: database.shared(outbox, Mutex::<Table>::default),
            rules: Rules::of(format!("memory {:p} {outbox}", Arc::as_ptr(database.core()))),
            bell: Bell::of(&format!("memory {:p} {outbox}", Arc::as_ptr(database.core()))),
            database: database.clone(),
        }
    }

    /// By which a test knows it.
    fn number(&self) -> u64 {
        Arc::as_ptr(&self.table).addr() as u64
    }

    fn with<T>(&self, what: impl FnOnce(&mut Table) -> T) -> Result<T, TransportError> {
        let _gate = self.database.gate();
        Ok(what(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn insert(&self, packets: Vec<Packet>, transaction: &mut MemoryConnection) -> Result<(), TransportError> {
        self.database.check(&self.at, transaction)?;
        transaction.check(&self.at)?;
        // All of them in one order, so that two calls do not wait for each other.
        let keys: BTreeSet<String> = packets.iter().filter_map(|packet| packet.key.clone()).collect();
        for key in keys {
            transaction.lock(&self.at, &format!("outbox {} {key}", self.outbox)).await?;
        }
        let (table, bell) = (self.table.clone(), self.bell.clone());
        transaction.stage(move || {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            for Packet { id, body, attributes, topic, key, .. } in packets {
                let mut packet = Packet::new(id, body);
                (packet.attributes, packet.topic, packet.key) = (attributes, topic, key);
                table.insert(packet);
            }
        });
        transaction.afterwards(move || bell.ring());
        Ok(())
    }
}

impl Keeping<MemoryConnection> for MemoryRows {
    fn insert<'a>(
        &'a self,
        packets: Vec<Packet>,
        transaction: &'a mut MemoryConnection,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.insert(packets, transaction))
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn statement(&self, packet: Packet) -> Statement {
        let values = vec![
            SqlValue::Text(Some(self.outbox.to_string())),
            SqlValue::Text(Some(packet.id)),
            SqlValue::Text(Some(packet.topic)),
            SqlValue::Text(packet.key),
            SqlValue::Text(write_attributes(&packet.attributes)),
            SqlValue::Bytes(packet.body),
        ];
        Statement::new(STATEMENT, values)
    }
}

impl Rows for MemoryRows {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn lanes<'a>(
        &'a self,
        relay: Uuid,
        lease: Duration,
        busy: &'a [u16],
    ) -> BoxFuture<'a, Result<Lanes, TransportError>> {
        Box::pin(async move { self.with(|table| table.share(relay, lease, busy)) })
    }

    fn leave<'a>(&'a self, relay: Uuid) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move { self.with(|table| table.leave(relay)) })
    }

    fn take<'a>(
        &'a self,
        done: &'a [i64],
        lanes: &'a [u16],
        most: usize,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Taken>, TransportError>> {
        Box::pin(async move {
            self.with(|table| {
                table.delete(done);
                table.take(lanes, most, bytes)
            })
        })
    }

    fn dead_keys<'a>(&'a self, lanes: &'a [u16], most: usize) -> BoxFuture<'a, Result<FirstDead, TransportError>> {
        Box::pin(async move { self.with(|table| table.dead_keys(lanes, most)) })
    }

    fn first_dead<'a>(&'a self, positions: &'a [i64]) -> BoxFuture<'a, Result<FirstDead, TransportError>> {
        Box::pin(async move { self.with(|table| table.first_dead(positions)) })
    }

    fn bury<'a>(&'a self, relay: Uuid, dead: &'a [(i64, String)]) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            for (event, reason) in self.with(|table| table.bury(relay, dead))? {
                note_letter(self.number(), &self.outbox, &event, &reason);
            }
            Ok(())
        })
    }

    fn park<'a>(&'a self, relay: Uuid, positions: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>, TransportError>> {
        Box::pin(async move { self.with(|table| table.park(relay, positions)) })
    }

    fn figures<'a>(&'a self, most: u64) -> BoxFuture<'a, Result<OutboxFigures, TransportError>> {
        Box::pin(async move { self.with(|table| table.figures(most)) })
    }

    fn dead<'a>(&'a self, after: i64, most: usize) -> BoxFuture<'a, Result<Vec<Dead>, TransportError>> {
        Box::pin(async move { self.with(|table| table.dead(after, most)) })
    }

    fn redrive(&self, from: i64, to: i64, most: usize) -> BoxFuture<'_, Result<Vec<i64>, TransportError>> {
        Box::pin(async move {
            let redriven = self.with(|table| table.redrive(from, to, most))?;
            self.bell.ring();
            Ok(redriven)
        })
    }

    fn discard(&self, position: i64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move {
            let discarded = self.with(|table| table.discard(position))?;
            self.bell.ring();
            Ok(discarded)
        })
    }

    fn look(&self) {
        saw_letters(self.number());
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }

    fn first_look(&self) -> Duration {
        FIRST_LOOK
    }
}
