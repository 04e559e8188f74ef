//! Rows that follow from a store, with their position in the same transaction.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::transport::{MemoryConnection, TransportError};
use convoke::{
    Edition, Position, Project, Projection, ProjectionDatabase, ProjectionFault, Read, Recorded, Store, StoreError,
};
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

use super::{Base, LONG, Moved, filled, moved, orders};
use crate::transports::outbox::Connection;
use crate::transports::outbox::memory::Here;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

/// What each order adds up to, by edition; and what fails on the way.
#[derive(Clone, Default)]
pub(super) struct Sums {
    /// Where there are no tables.
    pub(super) memory: Arc<Mutex<BTreeMap<(i64, u32), u64>>>,
    pub(super) fails_at: Rc<Cell<Option<u64>>>,
    pub(super) panics: Rc<Cell<bool>>,
    /// In another edition each counts twice.
    pub(super) doubled: bool,
    /// The rows of old editions stay.
    pub(super) keeps: bool,
    /// Which version of it this is; 0 is the first one too.
    pub(super) version: u32,
}

impl Sums {
    fn looked_at(&self, record: &Recorded) -> Result<Moved, Failure> {
        if self.fails_at.get() == Some(record.position().number()) {
            assert!(!self.panics.get(), "no further");
            return Err(Failure::from(std::io::Error::other("not this one")));
        }
        Ok(record.event()?)
    }

    fn amount(&self, step: u32) -> u64 {
        u64::from(step) * if self.doubled { 2 } else { 1 }
    }
}

pub(super) async fn run<'c, D: sqlx::Database>(tx: &'c mut D::Connection, sql: impl Display) -> Result<(), sqlx::Error>
where
    &'c mut D::Connection: sqlx::Executor<'c, Database = D>,
{
    sqlx::Executor::execute(tx, AssertSqlSafe(sql.to_string())).await.map(drop)
}

macro_rules! over_sql {
    ($connection:ty, $database:ty) => {
        impl Project<$connection> for Sums {
            async fn prepare(&self, tx: &mut $connection, edition: Edition) -> Handled {
                let table = edition.table("sums");
                let sql = format!("CREATE TABLE {table} (of_order BIGINT PRIMARY KEY, total BIGINT NOT NULL)");
                Ok(run::<$database>(tx, sql).await?)
            }

            async fn apply(&self, tx: &mut $connection, record: &Recorded, edition: Edition) -> Handled {
                let Moved { order, step } = self.looked_at(record)?;
                let (table, amount) = (edition.table("sums"), self.amount(step));
                let sql = format!(
                    "INSERT INTO {table} VALUES ({order}, {amount}) \
                     ON CONFLICT (of_order) DO UPDATE SET total = {table}.total + excluded.total"
                );
                Ok(run::<$database>(tx, sql).await?)
            }

            async fn retire(&self, tx: &mut $connection, edition: Edition) -> Handled {
                if self.keeps {
                    return Ok(());
                }
                Ok(run::<$database>(tx, format!("DROP TABLE {}", edition.table("sums"))).await?)
            }
        }
    };
}
over_sql!(SqliteConnection, sqlx::Sqlite);
over_sql!(PgConnection, sqlx::Postgres);

impl Project<MemoryConnection> for Sums {
    async fn apply(&self, tx: &mut MemoryConnection, record: &Recorded, edition: Edition) -> Handled {
        let Moved { order, step } = self.looked_at(record)?;
        let (sums, amount) = (self.memory.clone(), self.amount(step));
        tx.on_commit(move || *sums.lock().unwrap().entry((edition.number(), order)).or_default() += amount);
        Ok(())
    }

    async fn retire(&self, tx: &mut MemoryConnection, edition: Edition) -> Handled {
        let (sums, keeps) = (self.memory.clone(), self.keeps);
        tx.on_commit(move || sums.lock().unwrap().retain(|(of, _), _| keeps || *of != edition.number()));
        Ok(())
    }
}

/// A database whose rows a projection makes.
pub(super) trait Rows: Base<Database: ProjectionDatabase> {
    async fn projection_of(
        &self,
        records: Read,
        sums: Sums,
    ) -> Result<Projection<Self::Database, Sums>, TransportError>;

    async fn projection(&self, store: &Store<Self::Database>, sums: Sums) -> Projection<Self::Database, Sums> {
        self.projection_of(store.read("orders/*"), sums).await.unwrap()
    }

    /// The sums of an edition.
    async fn sums(&self, sums: &Sums, edition: Edition) -> BTreeMap<u32, u64>;
}

macro_rules! rows_in_tables {
    ($base:ty) => {
        impl Rows for $base {
            async fn projection_of(
                &self,
                records: Read,
                sums: Sums,
            ) -> Result<Projection<Self::Database, Sums>, TransportError> {
                let version = sums.version.max(1);
                self.db.projection("sums", records, sums).version(version).await
            }

            async fn sums(&self, _: &Sums, edition: Edition) -> BTreeMap<u32, u64> {
                let sql = format!("SELECT of_order, total FROM {}", edition.table("sums"));
                let rows: Vec<(i64, i64)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(self.db.pool()).await.unwrap();
                rows.into_iter().map(|(order, total)| (order as u32, total as u64)).collect()
            }
        }
    };
}
rows_in_tables!(File);
rows_in_tables!(Database);

impl Rows for Here {
    async fn projection_of(
        &self,
        records: Read,
        sums: Sums,
    ) -> Result<Projection<Self::Database, Sums>, TransportError> {
        let version = sums.version.max(1);
        self.0.projection("sums", records, sums).version(version).await
    }

    async fn sums(&self, sums: &Sums, edition: Edition) -> BTreeMap<u32, u64> {
        let sums = sums.memory.lock().unwrap();
        sums.iter().filter(|((of, _), _)| *of == edition.number()).map(|((_, order), total)| (*order, *total)).collect()
    }
}

pub(super) fn expected(orders: u32, steps: u32, times: u64) -> BTreeMap<u32, u64> {
    (0..orders).map(|order| (order, times * u64::from(steps * (steps - 1) / 2))).collect()
}

pub(super) async fn it_catches_up_and_each_record_counts_once<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 3, 150).await;
    let sums = Sums::default();
    let projection = base.projection(&store, sums.clone()).await;
    assert_eq!(projection.edition().await.unwrap(), None);
    assert_eq!(projection.progress().await.unwrap().left(), 450);
    let progress = projection.catch_up().await.unwrap();
    assert_eq!((progress.told, progress.left(), progress.position.number()), (450, 0, 450));
    let edition = projection.edition().await.unwrap().unwrap();
    assert_eq!(base.sums(&sums, edition).await, expected(3, 150, 1));
    assert_eq!(projection.catch_up().await.unwrap().told, 0);
    store.append(super::noted("of another topic")).await.unwrap();
    let progress = projection.catch_up().await.unwrap();
    assert_eq!((progress.told, progress.position.number()), (0, 451), "it is behind what it does not want");
    store.append(moved(2, 1000)).await.unwrap();
    // Two of them at once do each record once.
    let other = base.projection(&store, sums.clone()).await;
    let (one, two) = tokio::join!(projection.catch_up(), other.catch_up());
    assert_eq!(one.unwrap().left() + two.unwrap().left(), 0);
    let mut all = expected(3, 150, 1);
    *all.entry(2).or_default() += 1000;
    assert_eq!(base.sums(&sums, edition).await, all);
}

pub(super) async fn what_it_fails_on_is_named_and_what_was_before_stays<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    for panics in [false, true] {
        let sums = Sums { panics: Rc::new(Cell::new(panics)), ..Sums::default() };
        sums.fails_at.set(Some(256));
        let base = B::new().await;
        let store = filled(&base, 1, 300).await;
        let projection = base.projection(&store, sums.clone()).await;
        for _ in 0..2 {
            let error = projection.catch_up().await.unwrap_err();
            assert_eq!(error.projection, "sums");
            let ProjectionFault::Apply { position, reason } = &error.fault else { panic!("{error}") };
            assert_eq!(position.number(), 256);
            assert!(reason.contains(if panics { "panicked: no further" } else { "not this one" }), "{reason}");
            assert_eq!(projection.progress().await.unwrap().position.number(), 255);
            let edition = projection.edition().await.unwrap().unwrap();
            assert_eq!(base.sums(&sums, edition).await, expected(1, 255, 1));
        }
        sums.fails_at.set(None);
        assert_eq!(projection.catch_up().await.unwrap().told, 45);
        assert_eq!(base.sums(&sums, projection.edition().await.unwrap().unwrap()).await, expected(1, 300, 1));
    }
}

pub(super) async fn it_is_rebuilt_beside_the_present_one_and_switched<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 2, 300).await;
    let sums = Sums::default();
    let projection = base.projection(&store, sums.clone()).await;
    projection.catch_up().await.unwrap();
    let first = projection.edition().await.unwrap().unwrap();
    // Another program, in which each counts twice; its first attempt fails in the middle.
    let doubled = Sums { doubled: true, memory: sums.memory.clone(), ..Sums::default() };
    doubled.fails_at.set(Some(500));
    let anew = base.projection(&store, doubled.clone()).await;
    let error = anew.rebuild().await.unwrap_err();
    assert!(matches!(error.fault, ProjectionFault::Apply { position, .. } if position.number() == 500), "{error}");
    assert_eq!(anew.edition().await.unwrap(), Some(first), "the present one is as it was");
    assert_eq!(base.sums(&sums, first).await, expected(2, 300, 1));
    doubled.fails_at.set(None);
    let reported = Rc::new(Cell::new(0));
    let told = reported.clone();
    let second = anew.rebuild_with(move |progress| told.set(told.get() + progress.told)).await.unwrap();
    assert!(second > first && reported.get() == 101, "it goes on where it was: {}", reported.get());
    assert_eq!(projection.edition().await.unwrap(), Some(second));
    assert_eq!(base.sums(&sums, second).await, expected(2, 300, 2));
    store.append(moved(0, 5)).await.unwrap();
    anew.catch_up().await.unwrap();
    assert_eq!(base.sums(&sums, second).await[&0], expected(2, 300, 2)[&0] + 10);
    assert_eq!(anew.rebuild().await.unwrap().number(), second.number() + 1);
}

pub(super) async fn a_service_follows_degrades_and_recovers<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 1, 3).await;
    let (bus, sums) = (EventBus::default(), Sums::default());
    let projection = base.projection(&store, sums.clone()).await;
    let service = projection.supervised(&bus).await.unwrap();
    let reaches = async |position: u64| {
        let reached = tokio::time::timeout(LONG, async {
            while projection.progress().await.unwrap().position.number() < position {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        });
        assert!(reached.await.is_ok(), "{position} is not reached");
    };
    reaches(3).await;
    store.append(moved(0, 7)).await.unwrap();
    reaches(4).await;
    sums.fails_at.set(Some(5));
    store.append(moved(0, 8)).await.unwrap();
    let is = async |wanted: ServiceState| {
        let became = tokio::time::timeout(LONG, async {
            while service.status().state != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        });
        assert!(became.await.is_ok(), "{:?}", service.status().state);
    };
    is(ServiceState::Degraded).await;
    sums.fails_at.set(None);
    is(ServiceState::Running).await;
    reaches(5).await;
    assert_eq!(base.sums(&sums, projection.edition().await.unwrap().unwrap()).await[&0], 3 + 7 + 8);
    service.stop().await;
    store.append(moved(0, 9)).await.unwrap();
    assert_eq!(projection.progress().await.unwrap().position.number(), 5, "it stopped");
}

pub(super) async fn one_of_another_store_is_an_error<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 1, 3).await;
    base.projection(&store, Sums::default()).await.catch_up().await.unwrap();
    let other = base.store("another").await.unwrap();
    other.append(moved(1, 1)).await.unwrap();
    let wrong = base.projection(&other, Sums::default()).await;
    let error = wrong.catch_up().await.unwrap_err();
    assert!(matches!(error.fault, ProjectionFault::Store(StoreError::Elsewhere { .. })), "{error}");
    assert_eq!(orders(&base).await.read("**").after(Position::START).all().await.unwrap().len(), 3);
}

pub(super) async fn one_that_reads_something_else_has_to_be_rebuilt<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 2, 5).await;
    let sums = Sums::default();
    base.projection(&store, sums.clone()).await.catch_up().await.unwrap();
    let other = base.projection_of(store.read("orders/*").about("Order", 1), sums.clone()).await.unwrap();
    for _ in 0..2 {
        let error = other.catch_up().await.unwrap_err();
        assert_eq!(error.fault, ProjectionFault::OtherRecords);
        assert!(!error.is_temporary() && error.to_string().contains("rebuild()"), "{error}");
    }
    let edition = other.rebuild().await.unwrap();
    assert_eq!(base.sums(&sums, edition).await, BTreeMap::from([(1, 10)]));
    assert_eq!(other.catch_up().await.unwrap().told, 0);
    // What one of them has begun to build is not taken up by the other.
    let failing = Sums { memory: sums.memory.clone(), ..Sums::default() };
    failing.fails_at.set(Some(4));
    let first = base.projection(&store, failing).await;
    assert!(matches!(first.rebuild().await.unwrap_err().fault, ProjectionFault::Apply { .. }));
    let edition = other.rebuild().await.unwrap();
    assert_eq!(base.sums(&sums, edition).await, BTreeMap::from([(1, 10)]));
    let edition = base.projection(&store, sums.clone()).await.rebuild().await.unwrap();
    assert_eq!(base.sums(&sums, edition).await, expected(2, 5, 1));
}

pub(super) async fn one_begins_and_ends_nowhere<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 1, 3).await;
    let head = store.head().await.unwrap();
    let all = || store.read("orders/*");
    for part in [all().after(head), all().until(head), all().backward(), all().follow(), all().limit(2)] {
        let error = base.projection_of(part, Sums::default()).await.unwrap_err();
        assert!(error.to_string().contains("leave out `after`"), "{error}");
    }
    base.projection_of(all().since(std::time::UNIX_EPOCH), Sums::default()).await.unwrap();
    for (topics, text) in [(vec!["orders//x"], "slash"), (vec![], "`**`")] {
        let error = base.projection_of(store.read(topics), Sums::default()).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// One table for all editions, as one writes it first.
struct OneTable;

impl Project<SqliteConnection> for OneTable {
    async fn prepare(&self, tx: &mut SqliteConnection, _: Edition) -> Handled {
        Ok(run::<sqlx::Sqlite>(tx, "CREATE TABLE IF NOT EXISTS steps (total BIGINT NOT NULL)").await?)
    }

    async fn apply(&self, tx: &mut SqliteConnection, record: &Recorded, _: Edition) -> Handled {
        let Moved { step, .. } = record.event()?;
        Ok(run::<sqlx::Sqlite>(tx, format!("INSERT INTO steps VALUES ({step})")).await?)
    }
}

#[actix_rt::test]
async fn rows_that_two_editions_would_share_are_not_doubled() {
    let base = File::new().await;
    let store = filled(&base, 1, 5).await;
    let projection = base.db.projection("steps", store.read("orders/*"), OneTable).await.unwrap();
    projection.catch_up().await.unwrap();
    for _ in 0..2 {
        let error = projection.rebuild().await.unwrap_err();
        assert_eq!(error.fault, ProjectionFault::SharedRows);
        assert!(error.to_string().contains("edition.table("), "{error}");
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM steps").fetch_one(base.db.pool()).await.unwrap();
    assert_eq!((count, projection.progress().await.unwrap().left()), (5, 0));
}
