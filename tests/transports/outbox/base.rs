//! What a suite needs of a database.

use std::ops::DerefMut;

use convoke::{
    OpenTasks, OutboxBuilder, OutboxDatabase, RoundDatabase, Statement, StoreBuilder, StoreDatabase, TaskDatabase,
};

/// What stands for a transaction of a database.
pub(crate) type Connection<B> = <<B as Base>::Database as OutboxDatabase>::Connection;

/// A database that was made for a test.
pub(crate) trait Base: Sized + 'static {
    type Database: TaskDatabase + RoundDatabase + StoreDatabase<Connection = Connection<Self>>;
    type Transaction: DerefMut<Target = Connection<Self>>;
    /// What is in no transaction.
    type Plain: DerefMut<Target = Connection<Self>>;

    /// Makes one in which nothing is.
    async fn new() -> Self;

    fn outbox(&self, name: &str) -> OutboxBuilder<Self::Database>;

    fn store(&self, name: &str) -> StoreBuilder<Self::Database>;

    fn database(&self) -> &Self::Database;

    fn tasks(&self) -> OpenTasks<Self::Database>;

    async fn begin(&self) -> Self::Transaction;

    async fn commit(transaction: Self::Transaction);

    async fn rollback(transaction: Self::Transaction);

    async fn plain(&self) -> Self::Plain;

    /// Runs a statement in this transaction, as another client would.
    async fn run(transaction: &mut Self::Transaction, statement: Statement);
}
