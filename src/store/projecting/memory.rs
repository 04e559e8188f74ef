//! Editions of a projection in memory.

use std::sync::{Arc, Mutex, PoisonError};

use super::editions::Built;
use super::editions::sealed::{Editions, KeepsEditions, Work};
use crate::sql::memory::{MemoryConnection, MemoryDatabase, MemoryTransaction};
use crate::store::ProjectionBuilder;
use crate::store::{Project, Read};
use crate::transport::{BoxFuture, TransportError};

impl MemoryDatabase {
    /// Describes the projection of this name, whose rows are in this database. See [`Projection`](crate::Projection).
    pub fn projection<P: Project<MemoryConnection>>(
        &self,
        name: impl Into<String>,
        records: Read,
        project: P,
    ) -> ProjectionBuilder<Self, P> {
        ProjectionBuilder::new(self, name.into(), records, project)
    }
}

impl KeepsEditions<MemoryConnection> for MemoryDatabase {
    fn editions(&self, name: Arc<str>) -> BoxFuture<'_, Result<Arc<dyn Editions<MemoryConnection>>, TransportError>> {
        let editions: Arc<dyn Editions<MemoryConnection>> = Arc::new(MemoryEditions {
            at: format!("memory projection {name}").into(),
            table: self.shared(&name, Mutex::<Table>::default),
            database: self.clone(),
        });
        Box::pin(async { Ok(editions) })
    }
}

#[derive(Default)]
struct Table(Vec<Built>);

struct MemoryEditions {
    at: Arc<str>,
    database: MemoryDatabase,
    table: Arc<Mutex<Table>>,
}

impl MemoryEditions {
    /// Who has the lock alone may change them, and does so when it commits.
    async fn locked(&self, tx: &mut MemoryConnection) -> Result<Vec<Built>, TransportError> {
        self.database.check(&self.at, tx)?;
        tx.lock(&self.at, &self.at).await?;
        Ok(self.now())
    }

    fn now(&self) -> Vec<Built> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn stage(&self, tx: &mut MemoryConnection, change: impl FnOnce(&mut Vec<Built>) + Send + 'static) {
        let table = self.table.clone();
        tx.stage(move || change(&mut table.lock().unwrap_or_else(PoisonError::into_inner).0));
    }
}

impl Editions<MemoryConnection> for MemoryEditions {
    fn has_tables(&self) -> bool {
        false
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Work<MemoryConnection>>, TransportError>> {
        Box::pin(async {
            let begun: Box<dyn Work<MemoryConnection>> = Box::new(self.database.begin().await?);
            Ok(begun)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Built>, TransportError>> {
        Box::pin(async { Ok(self.now()) })
    }

    fn lock<'a>(&'a self, tx: &'a mut MemoryConnection) -> BoxFuture<'a, Result<Vec<Built>, TransportError>> {
        Box::pin(self.locked(tx))
    }

    fn insert<'a>(&'a self, tx: &'a mut MemoryConnection, built: Built) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let there = self.locked(tx).await?;
            let taken = |other: &Built| other.edition == built.edition || (other.is_present && built.is_present);
            if there.iter().any(taken) {
                return Ok(false);
            }
            self.stage(tx, move |all| {
                all.push(built);
                all.sort_by_key(|built| built.edition);
            });
            Ok(true)
        })
    }

    fn advance<'a>(
        &'a self,
        tx: &'a mut MemoryConnection,
        edition: i64,
        from: u64,
        to: u64,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let is_there = move |built: &Built| built.edition == edition && built.position == from;
            if !self.locked(tx).await?.iter().any(is_there) {
                return Ok(false);
            }
            self.stage(tx, move |all| {
                all.iter_mut().filter(|built| is_there(built)).for_each(|built| built.position = to);
            });
            Ok(true)
        })
    }

    /// Nothing of ours is seen in it before it commits, and it fails as a whole.
    fn stands<'a>(
        &'a self,
        tx: &'a mut MemoryConnection,
        _: i64,
        _: u64,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        let stands = tx.check(&self.at).is_ok();
        Box::pin(async move { Ok(stands) })
    }

    fn written<'a>(&'a self, _: &'a mut MemoryConnection) -> BoxFuture<'a, Result<Option<i64>, TransportError>> {
        Box::pin(async { Ok(None) })
    }

    fn switch<'a>(
        &'a self,
        tx: &'a mut MemoryConnection,
        old: i64,
        new: i64,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            self.locked(tx).await?;
            self.stage(tx, move |all| {
                all.retain(|built| built.edition != old);
                all.iter_mut().filter(|built| built.edition == new).for_each(|built| built.is_present = true);
            });
            Ok(())
        })
    }
}

impl Work<MemoryConnection> for MemoryTransaction {
    fn connection(&mut self) -> &mut MemoryConnection {
        self
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(MemoryTransaction::commit(*self))
    }
}
