//! Every case of the suite as a test of each of our stores, and what a fixture of each is.
//!
//! PostgreSQL is tried where `CONVOKE_TEST_POSTGRES_URL` says where one is, as `tests/run` does; Redis where `CONVOKE_TEST_REDIS_URL` says so, or
//! where there is a `redis-server`.

#[cfg(feature = "postgres")]
mod locks;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod left;
mod names;
mod seeing;
#[cfg(feature = "redis")]
pub(in crate::durable) mod redis;

use super::fixture::{Fixture, Held, Mend};
use super::room::{Room, packet};
use super::{closing, each_case, failing, looking, naming, working};
use crate::Uuid;
use crate::outbox::OutboxBuilder;
use crate::sql::memory::MemoryDatabase;
use crate::transport::{BoxFuture, TransportError};

/// Runs functions over each database.
macro_rules! over_each {
    ($($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => {
        mod memory { $($(
            #[actix_rt::test]
            async fn $name() { super::$module::$name(&super::Room::of(&super::Memory).await).await }
        )*)* }
        #[cfg(feature = "sqlite")]
        mod sqlite { $($(
            #[actix_rt::test]
            async fn $name() { super::$module::$name(&super::Room::of(&super::File::new()).await).await }
        )*)* }
        #[cfg(feature = "postgres")]
        mod postgres { $($(
            #[actix_rt::test]
            async fn $name() {
                if let Some(server) = super::Server::find() {
                    super::$module::$name(&super::Room::of(&server).await).await;
                }
            }
        )*)* }
        #[cfg(feature = "redis")]
        mod over_redis { $($(
            #[actix_rt::test]
            async fn $name() {
                if let Some(server) = super::redis::Redis::find() {
                    super::$module::$name(&super::Room::of(&server).await).await;
                }
            }
        )*)* }
    };
}
pub(in crate::durable) use over_each;

each_case!(over_each);

/// A work that writes each kind of thing fails at each of these.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const WRITES: [(&str, &str); 6] = [
    ("INSERT", "convoke_round"),
    ("UPDATE", "convoke_round"),
    ("DELETE", "convoke_round"),
    ("INSERT", "convoke_round_row"),
    ("DELETE", "convoke_round_row"),
    ("INSERT", "convoke_outbox"),
];

pub(in crate::durable) struct Memory;

impl Fixture for Memory {
    type Database = MemoryDatabase;

    fn name(&self) -> &str {
        "memory"
    }

    fn database(&self) -> BoxFuture<'_, Result<MemoryDatabase, TransportError>> {
        Box::pin(async { Ok(crate::transport::Memory::database()) })
    }

    fn hold<'a>(&'a self, db: &'a MemoryDatabase, outbox: &'a str, key: &'a str) -> Option<BoxFuture<'a, Held>> {
        Some(Box::pin(async move {
            let outbox = OutboxBuilder::new(db, outbox.to_owned()).await.unwrap();
            let mut transaction = db.begin().await.unwrap();
            outbox.keeping().insert(vec![packet(0, key)], &mut transaction).await.unwrap();
            Box::new(transaction) as Held
        }))
    }
}

/// A folder that goes with this value.
pub(in crate::durable) struct Folder(std::path::PathBuf);

impl Folder {
    pub(in crate::durable) fn new() -> Self {
        let folder = Self(std::env::temp_dir().join(format!("convoke-rounds-{}", Uuid::now_v7())));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(feature = "sqlite")]
pub(in crate::durable) struct File(Folder);

#[cfg(feature = "sqlite")]
impl File {
    pub(in crate::durable) fn new() -> Self {
        Self(Folder::new())
    }
}

#[cfg(feature = "sqlite")]
impl Fixture for File {
    type Database = crate::transport::SqliteDatabase;

    fn name(&self) -> &str {
        "sqlite"
    }

    fn database(&self) -> BoxFuture<'_, Result<Self::Database, TransportError>> {
        let file = self.0.0.join(format!("{}.db", Uuid::now_v7()));
        Box::pin(async move { crate::transport::Sqlite::open(file).await })
    }

    fn break_write<'a>(&'a self, db: &'a Self::Database, number: usize) -> Option<BoxFuture<'a, Mend>> {
        let (what, table) = WRITES.get(number)?;
        Some(Box::pin(async move {
            let sql =
                format!("CREATE TRIGGER broken BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(db.pool()).await.unwrap();
            let pool = db.pool().clone();
            let mend = async move {
                sqlx::raw_sql("DROP TRIGGER broken").execute(&pool).await.unwrap();
            };
            Box::new(move || Box::pin(mend) as BoxFuture<'static, ()>) as Mend
        }))
    }

    fn replace<'a>(&'a self, db: &'a Self::Database) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async move {
            let list = "SELECT file FROM pragma_database_list WHERE name = 'main'";
            let file: String = sqlx::query_scalar(list).fetch_one(db.pool()).await.unwrap();
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{file}{end}"));
            }
        }))
    }
}

#[cfg(feature = "postgres")]
pub(in crate::durable) struct Server(String);

#[cfg(feature = "postgres")]
impl Server {
    pub(in crate::durable) fn find() -> Option<Self> {
        crate::sql::postgres::url_of_the_tests().map(Self)
    }

    pub(in crate::durable) fn url(&self) -> &str {
        &self.0
    }
}

#[cfg(feature = "postgres")]
impl Fixture for Server {
    type Database = crate::transport::PostgresDatabase;

    fn name(&self) -> &str {
        "postgres"
    }

    /// A schema of its own.
    fn database(&self) -> BoxFuture<'_, Result<Self::Database, TransportError>> {
        let schema = format!("t{}", Uuid::now_v7().simple());
        Box::pin(async move {
            let database = crate::transport::Postgres::connect(self.0.as_str()).schema(schema).await?;
            database.migrate().await?;
            Ok(database)
        })
    }

    fn break_write<'a>(&'a self, db: &'a Self::Database, number: usize) -> Option<BoxFuture<'a, Mend>> {
        let (what, table) = WRITES.get(number)?;
        Some(Box::pin(async move {
            let schema = db.schema();
            let sql = format!(
                "CREATE OR REPLACE FUNCTION {schema}.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$; \
                 CREATE TRIGGER broken BEFORE {what} ON {schema}.{table} FOR EACH ROW EXECUTE FUNCTION {schema}.broken()"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(db.pool()).await.unwrap();
            let (pool, drops) = (db.pool().clone(), format!("DROP TRIGGER broken ON {schema}.{table}"));
            let mend = async move {
                sqlx::raw_sql(sqlx::AssertSqlSafe(drops)).execute(&pool).await.unwrap();
            };
            Box::new(move || Box::pin(mend) as BoxFuture<'static, ()>) as Mend
        }))
    }

    fn hold<'a>(&'a self, db: &'a Self::Database, outbox: &'a str, key: &'a str) -> Option<BoxFuture<'a, Held>> {
        Some(Box::pin(async move {
            let outbox = OutboxBuilder::new(db, outbox.to_owned()).await.unwrap();
            let mut transaction = db.begin().await.unwrap();
            outbox.keeping().insert(vec![packet(0, key)], &mut transaction).await.unwrap();
            Box::new(transaction) as Held
        }))
    }

    fn replace<'a>(&'a self, db: &'a Self::Database) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async move {
            let sql = format!("DROP SCHEMA {} CASCADE", db.schema());
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(db.pool()).await.unwrap();
            db.migrate().await.unwrap();
        }))
    }
}
