//! The outbox in a database of this process, in virtual time.

use convoke::transport::{Memory, MemoryConnection, MemoryDatabase, MemoryTransaction};
use convoke::{OutboxBuilder, Statement, StoreBuilder};

use super::{Base, all_over};

pub(crate) struct Here(pub(crate) MemoryDatabase);

/// What is in no transaction.
pub(crate) struct Plain(MemoryConnection);

impl std::ops::Deref for Plain {
    type Target = MemoryConnection;

    fn deref(&self) -> &MemoryConnection {
        &self.0
    }
}

impl std::ops::DerefMut for Plain {
    fn deref_mut(&mut self) -> &mut MemoryConnection {
        &mut self.0
    }
}

impl Base for Here {
    type Database = MemoryDatabase;
    type Transaction = MemoryTransaction;
    type Plain = Plain;

    async fn new() -> Self {
        Self(Memory::database())
    }

    fn outbox(&self, name: &str) -> OutboxBuilder<MemoryDatabase> {
        self.0.outbox(name)
    }

    fn store(&self, name: &str) -> StoreBuilder<MemoryDatabase> {
        self.0.store(name)
    }

    async fn begin(&self) -> MemoryTransaction {
        self.0.begin().await.unwrap()
    }

    async fn commit(transaction: MemoryTransaction) {
        transaction.commit().await.unwrap();
    }

    async fn rollback(transaction: MemoryTransaction) {
        transaction.rollback().await.unwrap();
    }

    async fn plain(&self) -> Plain {
        Plain(self.0.connection())
    }

    async fn run(transaction: &mut MemoryTransaction, statement: Statement) {
        transaction.run(statement).await.unwrap();
    }
}

all_over! { [convoke::test] Here }
