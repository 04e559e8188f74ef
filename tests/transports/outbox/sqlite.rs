//! The outbox in a file of SQLite.

use convoke::transport::{Sqlite, SqliteDatabase};
use convoke::{OpenTasks, OutboxBuilder, StoreBuilder};
use convoke::{OutboxError, SqlValue, Statement};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Transaction};

use super::{Base, Taker, all_over, moved, publish, relay, shop, until};
use crate::transports::servers::sqlite::Folder;

pub(crate) struct File {
    pub(crate) db: SqliteDatabase,
    pub(crate) folder: Folder,
}

impl Base for File {
    type Database = SqliteDatabase;
    type Transaction = Transaction<'static, sqlx::Sqlite>;
    type Plain = PoolConnection<sqlx::Sqlite>;

    async fn new() -> Self {
        let folder = Folder::new().unwrap();
        Self { db: Sqlite::open(folder.file("shop.db")).await.unwrap(), folder }
    }

    fn outbox(&self, name: &str) -> OutboxBuilder<SqliteDatabase> {
        self.db.outbox(name)
    }

    fn store(&self, name: &str) -> StoreBuilder<SqliteDatabase> {
        self.db.store(name)
    }

    fn database(&self) -> &SqliteDatabase {
        &self.db
    }

    fn tasks(&self) -> OpenTasks<SqliteDatabase> {
        self.db.tasks()
    }

    async fn begin(&self) -> Self::Transaction {
        self.db.begin().await.unwrap()
    }

    async fn commit(transaction: Self::Transaction) {
        transaction.commit().await.unwrap();
    }

    async fn rollback(transaction: Self::Transaction) {
        transaction.rollback().await.unwrap();
    }

    async fn plain(&self) -> Self::Plain {
        self.db.pool().acquire().await.unwrap()
    }

    async fn run(transaction: &mut Self::Transaction, statement: Statement) {
        let mut query = sqlx::query(AssertSqlSafe(statement.sql.into_owned()));
        for value in statement.values {
            query = match value {
                SqlValue::Text(text) => query.bind(text),
                SqlValue::Integer(number) => query.bind(number),
                SqlValue::Bytes(bytes) => query.bind(bytes),
                _ => unreachable!("a type that is new"),
            };
        }
        query.execute(&mut **transaction).await.unwrap();
    }
}

all_over! { [actix_rt::test] File }

#[actix_rt::test]
async fn a_transaction_that_has_read_an_old_state_says_how_to_begin() {
    let base = File::new().await;
    let outbox = shop(&base).await;
    let mut deferred = base.db.pool().begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM convoke_outbox").fetch_one(&mut *deferred).await.unwrap();
    publish(&base, &outbox, [moved(1, 1)]).await;
    let error = outbox.publish(&mut deferred, moved(1, 2)).await.unwrap_err();
    assert!(error.to_string().contains("begin with `db.begin()`"), "{error}");
    assert!(matches!(&error, OutboxError::Transport(error) if error.is_temporary()), "{error}");
}

#[actix_rt::test]
async fn a_statement_in_another_file_fails_by_its_text() {
    let (base, other) = (File::new().await, File::new().await);
    let (outbox, _elsewhere) = (shop(&base).await, shop(&other).await);
    let statement = outbox.statement(moved(1, 1)).unwrap();
    let mut transaction = other.begin().await;
    let mut query = sqlx::query(AssertSqlSafe(statement.sql.into_owned()));
    for value in statement.values {
        query = match value {
            SqlValue::Text(text) => query.bind(text),
            SqlValue::Integer(number) => query.bind(number),
            SqlValue::Bytes(bytes) => query.bind(bytes),
            _ => unreachable!("a type that is new"),
        };
    }
    let error = query.execute(&mut *transaction).await.unwrap_err();
    assert!(error.to_string().contains("another database than that of the outbox"), "{error}");
}

#[actix_rt::test]
async fn a_file_that_is_replaced_is_found_again() {
    let (base, taker) = (File::new().await, Taker::new());
    let outbox = shop(&base).await;
    let _relay = relay::<File>(&outbox, &taker).await;
    publish(&base, &outbox, [moved(1, 1)]).await;
    taker.has(1).await;
    for name in ["shop.db", "shop.db-wal", "shop.db-shm"] {
        let _ = std::fs::remove_file(base.folder.file(name));
    }
    // It is opened anew by what comes next.
    until("it takes events again", async || {
        let Ok(mut transaction) = base.db.begin().await else { return false };
        let published = outbox.publish(&mut transaction, moved(1, 2)).await.is_ok();
        published && transaction.commit().await.is_ok()
    })
    .await;
    taker.has(2).await;
}

#[actix_rt::test]
async fn a_transaction_that_sqlite_has_rolled_back_by_itself_takes_neither_event_nor_mark() {
    let base = File::new().await;
    let (outbox, inbox) = (shop(&base).await, base.db.inbox("billing").await.unwrap());
    sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY)").execute(base.db.pool()).await.unwrap();
    for end in ["INSERT OR ROLLBACK INTO orders VALUES (1)", "ROLLBACK"] {
        let mut transaction = base.begin().await;
        sqlx::query("INSERT INTO orders VALUES (1)").execute(&mut *transaction).await.unwrap();
        // The client does not know what became of it.
        let _ = sqlx::query(end).execute(&mut *transaction).await;
        let refused = outbox.publish(&mut transaction, moved(1, 1)).await.unwrap_err();
        assert!(refused.to_string().contains("no transaction"), "{refused}");
        let refused = inbox.mark_in(&mut transaction, "7").await.unwrap_err();
        assert!(refused.to_string().contains("no transaction"), "{refused}");
        drop(transaction);
        assert_eq!(outbox.figures().await.unwrap().ready, 0);
        assert!(!inbox.seen("7").await.unwrap());
    }
}
