//! Rows that are made anew: beside others, by several at once, from a store that was made again; and what a transaction hides.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{ErrorKind, Postgres, PostgresDatabase};
use convoke::{Edition, Position, Project, Projection, ProjectionFault, Recorded, StoreError};
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

use super::projecting::{Rows, Sums, expected, run};
use super::{Base, LONG, filled, moved, noted};
use crate::transports::outbox::Connection;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

async fn in_time<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(LONG, future.into_future()).await.expect("it comes to no end")
}

pub(super) async fn one_whose_store_was_made_again_is_rebuilt_from_what_is_there<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 2, 10).await;
    let sums = Sums::default();
    let first = base.projection(&store, sums.clone()).await;
    first.catch_up().await.unwrap();
    // A rebuild of it was interrupted, too.
    sums.fails_at.set(Some(15));
    assert!(matches!(first.rebuild().await.unwrap_err().fault, ProjectionFault::Apply { .. }));
    sums.fails_at.set(None);
    // As if somebody had deleted the store, and made it again.
    let again = base.store("another").await.unwrap();
    again.append_all([moved(7, 3), moved(7, 4)]).await.unwrap();
    let anew = base.projection(&again, sums.clone()).await;
    let error = anew.catch_up().await.unwrap_err();
    assert!(matches!(error.fault, ProjectionFault::Store(StoreError::Elsewhere { .. })), "{error}");
    let edition = in_time(anew.rebuild()).await.unwrap();
    assert_eq!(base.sums(&sums, edition).await, BTreeMap::from([(7, 7)]));
    assert_eq!(anew.edition().await.unwrap(), Some(edition));
    again.append(moved(8, 1)).await.unwrap();
    assert_eq!(anew.catch_up().await.unwrap().told, 1);
}

pub(super) async fn one_of_another_version_has_to_be_rebuilt_and_begins_anew<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 2, 300).await;
    let sums = Sums::default();
    base.projection(&store, sums.clone()).await.catch_up().await.unwrap();
    let second = Sums { doubled: true, version: 2, memory: sums.memory.clone(), ..Sums::default() };
    let wrong = Sums { fails_at: second.fails_at.clone(), doubled: false, ..second.clone() };
    second.fails_at.set(Some(500));
    let projection = base.projection(&store, wrong).await;
    assert_eq!(projection.catch_up().await.unwrap_err().fault, ProjectionFault::OtherRecords);
    assert!(matches!(projection.rebuild().await.unwrap_err().fault, ProjectionFault::Apply { .. }));
    second.fails_at.set(None);
    // What was wrong is mended, and nothing of it is left.
    let third = Sums { version: 3, ..second };
    let projection = base.projection(&store, third.clone()).await;
    let edition = projection.rebuild().await.unwrap();
    assert_eq!(base.sums(&third, edition).await, expected(2, 300, 2));
    assert_eq!(projection.catch_up().await.unwrap().told, 0);
    let first = base.projection(&store, sums).await;
    assert_eq!(first.catch_up().await.unwrap_err().fault, ProjectionFault::OtherRecords);
}

pub(super) async fn what_was_begun_by_another_version_leaves_its_rows_to_nobody<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 1, 10).await;
    let of = |version| Sums { keeps: true, version, ..Sums::default() };
    let first = of(1);
    base.projection(&store, first.clone()).await.catch_up().await.unwrap();
    let second = Sums { memory: first.memory.clone(), ..of(2) };
    second.fails_at.set(Some(6));
    assert!(base.projection(&store, second).await.rebuild().await.is_err());
    // The rows of the one that is given up are there still, under another number.
    let third = Sums { memory: first.memory.clone(), ..of(3) };
    let edition = base.projection(&store, third.clone()).await.rebuild().await.unwrap();
    assert_eq!(edition.number(), 3);
    assert_eq!(base.sums(&third, edition).await, expected(1, 10, 1));
}

pub(super) async fn several_who_rebuild_at_once_come_to_an_end<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = filled(&base, 2, 700).await;
    let sums = Sums::default();
    let one = base.projection(&store, sums.clone()).await;
    let other = base.projection(&store, sums.clone()).await;
    one.catch_up().await.unwrap();
    // The same, by two handles, while a third one follows.
    let (built, built_too, followed) =
        in_time(async { tokio::join!(one.rebuild(), other.rebuild(), other.catch_up()) }).await;
    let last = built.unwrap().max(built_too.unwrap());
    followed.unwrap();
    assert_eq!(one.edition().await.unwrap(), Some(last));
    assert_eq!(base.sums(&sums, last).await, expected(2, 700, 1));
    // Two that want something else: whoever is given up is told, and does not begin again and again.
    let doubled = Sums { doubled: true, version: 2, ..sums.clone() };
    let double = base.projection(&store, doubled.clone()).await;
    let (built, doubled_too) = in_time(async { tokio::join!(one.rebuild(), double.rebuild()) }).await;
    let is_over = |result: &Result<Edition, convoke::ProjectionError>| match result {
        Ok(_) => true,
        Err(error) => error.fault == ProjectionFault::GivenUp,
    };
    assert!(is_over(&built) && is_over(&doubled_too), "{built:?} {doubled_too:?}");
    assert!(built.is_ok() || doubled_too.is_ok());
    let edition = one.edition().await.unwrap().unwrap();
    let times = if doubled_too.as_ref().ok() == Some(&edition) { 2 } else { 1 };
    assert_eq!(base.sums(&sums, edition).await, expected(2, 700, times));
}

/// It stays at its first record until it may go on, and notes which records it has seen.
#[derive(Clone)]
struct Held {
    go: tokio::sync::watch::Receiver<bool>,
    seen: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Project<convoke::transport::MemoryConnection> for Held {
    async fn apply(&self, _: &mut convoke::transport::MemoryConnection, record: &Recorded, _: Edition) -> Handled {
        self.seen.set(record.position().number());
        self.go.clone().wait_for(|go| *go).await?;
        Ok(())
    }
}

#[convoke::test]
async fn a_service_that_stops_finishes_its_transaction_and_not_all_that_is_left() {
    let base = crate::transports::outbox::memory::Here::new().await;
    let store = filled(&base, 10, 200).await;
    let (go, held) = tokio::sync::watch::channel(false);
    let held = Held { go: held, seen: std::rc::Rc::default() };
    let projection = base.0.projection("held", store.read("**"), held.clone()).await.unwrap();
    let service = projection.supervised(&EventBus::default()).await.unwrap();
    while held.seen.get() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stopping = service.stop();
    let opening = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        go.send_replace(true);
    };
    tokio::join!(stopping, opening);
    assert_eq!((held.seen.get(), projection.progress().await.unwrap().left()), (200, 1800));
    assert_eq!(projection.catch_up().await.unwrap().told, 1800);
}

/// One table for all editions, with a column that says of which one a row is; and nothing of notes.
struct Column;

macro_rules! over_sql {
    ($connection:ty, $database:ty) => {
        impl Project<$connection> for Column {
            async fn prepare(&self, tx: &mut $connection, _: Edition) -> Handled {
                let sql = "CREATE TABLE IF NOT EXISTS steps (edition BIGINT NOT NULL, of_position BIGINT NOT NULL)";
                Ok(run::<$database>(tx, sql).await?)
            }

            async fn apply(&self, tx: &mut $connection, record: &Recorded, edition: Edition) -> Handled {
                if record.topic() != "orders/moved" {
                    return Ok(());
                }
                let position = record.position().number();
                let sql = format!("INSERT INTO steps VALUES ({edition}, {position})");
                Ok(run::<$database>(tx, sql).await?)
            }

            async fn retire(&self, tx: &mut $connection, edition: Edition) -> Handled {
                Ok(run::<$database>(tx, format!("DELETE FROM steps WHERE edition = {edition}")).await?)
            }
        }

        impl Project<$connection> for Careless {
            async fn prepare(&self, tx: &mut $connection, edition: Edition) -> Handled {
                let table = edition.table("seen");
                let sql = format!("CREATE TABLE {table} (of_order BIGINT PRIMARY KEY)");
                let created = run::<$database>(tx, &sql).await;
                if self.twice {
                    let _ = run::<$database>(tx, &sql).await;
                }
                Ok(created?)
            }

            async fn apply(&self, tx: &mut $connection, record: &Recorded, edition: Edition) -> Handled {
                let super::Moved { order, .. } = record.event()?;
                // It is there already, thinks who has written this, and that is well.
                let _ = run::<$database>(tx, format!("INSERT INTO {} VALUES ({order})", edition.table("seen"))).await;
                Ok(())
            }
        }
    };
}
over_sql!(SqliteConnection, sqlx::Sqlite);
over_sql!(PgConnection, sqlx::Postgres);

/// It passes over its errors.
struct Careless {
    /// And makes its table once more.
    twice: bool,
}

macro_rules! who_passes_over_records_need_not_ask {
    ($base:ty) => {{
        let base = <$base>::new().await;
        let store = filled(&base, 1, 3).await;
        let notes = |from: u32| (from..from + 450).map(|note| noted(&note.to_string()));
        store.append_all(notes(0)).await.unwrap();
        let projection = base.db.projection("steps", store.read("notes/*"), Column).await.unwrap();
        projection.catch_up().await.unwrap();
        assert_eq!(projection.rebuild().await.unwrap().number(), 2, "it has no rows at all");
        store.append_all(notes(450)).await.unwrap();
        store.append(moved(1, 9)).await.unwrap();
        let projection = base.db.projection("late", store.read("**"), Column).await.unwrap();
        projection.catch_up().await.unwrap();
        let edition = projection.rebuild().await.unwrap();
        let rows: Vec<(i64, i64)> = sqlx::query_as("SELECT edition, of_position FROM steps ORDER BY of_position")
            .fetch_all(base.db.pool())
            .await
            .unwrap();
        assert_eq!(rows, [(2, 1), (2, 2), (2, 3), (2, 904)], "{edition}");
    }};
}

#[actix_rt::test]
async fn over_sqlite_who_passes_over_records_need_not_ask_for_the_edition() {
    who_passes_over_records_need_not_ask!(File);
}

#[actix_rt::test]
async fn over_postgres_who_passes_over_records_need_not_ask_for_the_edition() {
    who_passes_over_records_need_not_ask!(Database);
}

#[actix_rt::test]
async fn over_sqlite_an_error_that_is_passed_over_undoes_nothing() {
    let base = File::new().await;
    let store = filled(&base, 3, 100).await;
    let projection = base.db.projection("seen", store.read("**"), Careless { twice: true }).await.unwrap();
    assert_eq!(in_time(projection.catch_up()).await.unwrap().left(), 0);
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM seen_1").fetch_one(base.db.pool()).await.unwrap();
    assert_eq!(seen, 3);
}

#[actix_rt::test]
async fn over_postgres_an_error_that_is_passed_over_is_named() {
    let base = Database::new().await;
    let store = filled(&base, 3, 100).await;
    let projection = base.db.projection("seen", store.read("**"), Careless { twice: false }).await.unwrap();
    for _ in 0..2 {
        let error = in_time(projection.catch_up()).await.unwrap_err();
        let ProjectionFault::Apply { position, reason } = &error.fault else { panic!("{error}") };
        assert!(position.number() == 4 && reason.contains("has not returned the error"), "{error}");
        assert_eq!(projection.progress().await.unwrap().position.number(), 3);
    }
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM seen_1").fetch_one(base.db.pool()).await.unwrap();
    assert_eq!(seen, 3);
    let base = Database::new().await;
    let store = filled(&base, 1, 1).await;
    let twice = base.db.projection("twice", store.read("**"), Careless { twice: true }).await.unwrap();
    let error = in_time(twice.catch_up()).await.unwrap_err();
    assert!(matches!(&error.fault, ProjectionFault::Tables(reason) if reason.contains("has not returned")), "{error}");
}

macro_rules! one_whose_store_was_cut_off_is_rebuilt {
    ($base:ty, $delete:literal) => {{
        let base = <$base>::new().await;
        let store = filled(&base, 2, 5).await;
        let sums = Sums::default();
        let projection = base.projection(&store, sums.clone()).await;
        projection.catch_up().await.unwrap();
        sums.fails_at.set(Some(9));
        assert!(projection.rebuild().await.is_err());
        sums.fails_at.set(None);
        // As after a restore from an older copy: records that both editions have seen are gone.
        sqlx::raw_sql($delete).execute(base.db.pool()).await.unwrap();
        let error = projection.catch_up().await.unwrap_err();
        assert!(matches!(error.fault, ProjectionFault::Store(StoreError::Ahead { .. })), "{error}");
        let edition = in_time(projection.rebuild()).await.unwrap();
        assert_eq!(base.sums(&sums, edition).await, expected(2, 3, 1));
        store.append(moved(0, 10)).await.unwrap();
        projection.catch_up().await.unwrap();
        assert_eq!(base.sums(&sums, edition).await[&0], 13);
    }};
}

#[actix_rt::test]
async fn over_sqlite_one_whose_store_was_cut_off_is_rebuilt() {
    one_whose_store_was_cut_off_is_rebuilt!(File, "DELETE FROM convoke_record WHERE id & 1099511627775 > 6");
}

#[actix_rt::test]
async fn over_postgres_one_whose_store_was_cut_off_is_rebuilt() {
    one_whose_store_was_cut_off_is_rebuilt!(Database, "DELETE FROM convoke_record WHERE position > 6");
}

/// Stays at a record for as long as somebody else wants.
struct Slow(tokio::sync::watch::Receiver<bool>);

impl Project<PgConnection> for Slow {
    async fn apply(&self, _: &mut PgConnection, _: &Recorded, _: Edition) -> Handled {
        self.0.clone().wait_for(|go| *go).await?;
        Ok(())
    }
}

#[actix_rt::test]
async fn whoever_waits_for_another_process_that_applies_records_gives_up_in_time() {
    let base = Database::new().await;
    let store = filled(&base, 1, 3).await;
    let (go, waits) = tokio::sync::watch::channel(false);
    let of = async |db: &PostgresDatabase| -> Projection<PostgresDatabase, Slow> {
        db.projection("slow", store.read("**"), Slow(waits.clone())).await.unwrap()
    };
    let slow = of(&base.db).await;
    let hasty = Postgres::connect(&base.url).deadline(Duration::from_millis(300)).await.unwrap();
    let hasty = of(&hasty).await;
    let slow_too = slow.clone();
    let applying = actix_rt::spawn(async move { slow_too.catch_up().await });
    let blocked = async {
        let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND state = 'idle in transaction' AND query LIKE '%convoke_projection%'";
        while sqlx::query_scalar::<_, i64>(AssertSqlSafe(blocked)).fetch_one(base.db.pool()).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(blocked).await;
    let error = in_time(hasty.catch_up()).await.unwrap_err();
    assert!(
        matches!(&error.fault, ProjectionFault::Database(error) if error.kind() == ErrorKind::Unreachable),
        "{error}"
    );
    assert!(error.is_temporary());
    go.send_replace(true);
    assert_eq!(in_time(applying).await.unwrap().unwrap().told, 3);
    assert_eq!(in_time(hasty.catch_up()).await.unwrap().left(), 0);
    assert_eq!(store.read("**").after(Position::START).all().await.unwrap().len(), 3);
}
