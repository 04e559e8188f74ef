//! What somebody has changed or deleted behind the back of a store, or a disk has: it is named, and never read as something else.

use std::path::Path;
use std::time::Duration;

use convoke::transport::Sqlite;
use convoke::{Recorded, Store, StoreDatabase, StoreError};
use sqlx::AssertSqlSafe;

use super::{Base, filled, read_until_error, until_error};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::servers::sqlite::Folder;

/// How its tables are called, and how a body is changed.
trait Tables: Base {
    const RECORD: &str;
    const POSITION: &str;
    const BODY: &str;
    const OTHER_POSITION: &str;

    async fn run_text(&self, sql: &str) -> u64;
}

impl Tables for File {
    const RECORD: &str = "convoke_record";
    const POSITION: &str = "(id & 1099511627775)";
    const BODY: &str = "body = CAST(replace(CAST(body AS TEXT), '\"step\":1', '\"step\":9') AS BLOB)";
    const OTHER_POSITION: &str = "id = id + 50";

    async fn run_text(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(self.db.pool()).await.unwrap().rows_affected()
    }
}

impl Tables for Database {
    const RECORD: &str = "convoke_record";
    const POSITION: &str = "position";
    const BODY: &str = "body = convert_to(replace(convert_from(body, 'UTF8'), '\"step\":1', '\"step\":9'), 'UTF8')";
    const OTHER_POSITION: &str = "position = position + 50";

    async fn run_text(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(self.db.pool()).await.unwrap().rows_affected()
    }
}

/// What is done to one record, and whether it is then gone from its place.
fn changes<B: Tables>() -> Vec<(String, bool)> {
    let set = |what: &str| (format!("UPDATE {} SET {what} WHERE {} = 7", B::RECORD, B::POSITION), false);
    vec![
        set(B::BODY),
        set("topic = 'orders/lost'"),
        set("at = at + 1"),
        set("checksum = checksum + 1"),
        set("before = before - 1"),
        set("entity = NULL"),
        (format!("UPDATE {} SET {} WHERE {} = 7", B::RECORD, B::OTHER_POSITION, B::POSITION), true),
        (format!("DELETE FROM {} WHERE {} = 7", B::RECORD, B::POSITION), true),
    ]
}

async fn whatever_is_changed_by_sql_is_named<B: Tables>() {
    for (change, is_gone) in changes::<B>() {
        let base = B::new().await;
        // Four orders, of which the position 7 is the second of the order 2.
        let store = filled(&base, 4, 5).await;
        assert_eq!(base.run_text(&change).await, 1, "{change}");
        let wanted = |error: &StoreError| match error {
            StoreError::Gone { position } => is_gone && position.number() == 7,
            StoreError::Damaged { position } => !is_gone && position.number() == 7,
            _ => false,
        };
        let (read, error) = until_error::<B>(&store).await;
        assert_eq!(read, [1, 2, 3, 4, 5, 6], "{change}");
        assert!(error.as_ref().is_some_and(wanted), "{change}: {error:?}");
        let (read, error) = read_until_error(store.read("**").backward().start()).await;
        assert!(read.first() == Some(&20) || !read.contains(&7), "{change}: {read:?}");
        assert!(error.is_some(), "{change}");
        let (read, error) = read_until_error(store.read("orders/*").start()).await;
        assert!(read.iter().all(|number| *number < 7), "{change}: {read:?}");
        assert!(error.as_ref().is_some_and(wanted), "{change}: {error:?}");
        // Of the order alone: what is not there any more, under its name, is what the next one says was before it.
        for backward in [false, true] {
            let reading = store.read("**").about("Order", 2);
            let reading = if backward { reading.backward() } else { reading };
            let (read, error) = read_until_error(reading.start()).await;
            let before: &[u64] = if backward { &[19, 15, 11] } else { &[3] };
            assert!(before.starts_with(&read) || read.starts_with(before), "{change}: {read:?}");
            assert!(!read.contains(&7), "{change}");
            let error = error.unwrap_or_else(|| panic!("{change}: {read:?}"));
            assert!(matches!(error, StoreError::Gone { .. } | StoreError::Damaged { .. }), "{change}: {error}");
        }
        assert!(store.verify().await.is_err());
    }
}

#[actix_rt::test]
async fn in_a_file_whatever_is_changed_by_sql_is_named() {
    whatever_is_changed_by_sql_is_named::<File>().await;
}

#[actix_rt::test]
async fn in_postgres_whatever_is_changed_by_sql_is_named() {
    whatever_is_changed_by_sql_is_named::<Database>().await;
}

async fn what_is_deleted_at_an_end_is_named_as_far_as_it_can_be<B: Tables>() {
    let base = B::new().await;
    let store = filled(&base, 4, 5).await;
    let last = store.head().await.unwrap();
    base.run_text(&format!("DELETE FROM {} WHERE {} = 20", B::RECORD, B::POSITION)).await;
    // The end alone cannot be told from one that never was, but by who has seen it.
    assert_eq!(store.verify().await.unwrap().number(), 19);
    let error = store.read("**").after(last).all().await.unwrap_err();
    assert!(matches!(error, StoreError::Ahead { .. }), "{error}");
    base.run_text(&format!("DELETE FROM {} WHERE {} = 1", B::RECORD, B::POSITION)).await;
    let (read, error) = until_error::<B>(&store).await;
    assert_eq!(read, [0; 0]);
    assert!(matches!(error, Some(StoreError::Gone { position }) if position.number() == 1), "{error:?}");
    let (read, error) = read_until_error(store.read("**").backward().start()).await;
    assert_eq!(read, (2..=19).rev().collect::<Vec<_>>());
    assert!(matches!(error, Some(StoreError::Gone { position }) if position.number() == 1), "{error:?}");
}

#[actix_rt::test]
async fn in_a_file_what_is_deleted_at_an_end_is_named() {
    what_is_deleted_at_an_end_is_named_as_far_as_it_can_be::<File>().await;
}

#[actix_rt::test]
async fn in_postgres_what_is_deleted_at_an_end_is_named() {
    what_is_deleted_at_an_end_is_named_as_far_as_it_can_be::<Database>().await;
}

/// A file with a store, closed, and what is in it.
async fn closed_file() -> (Folder, Vec<u8>, Vec<Vec<u8>>) {
    let base = File::new().await;
    let store = filled(&base, 7, 30).await;
    let kept = store.read("**").all().await.unwrap().iter().map(|record| record.bytes().to_vec()).collect();
    base.run_text("PRAGMA wal_checkpoint(TRUNCATE)").await;
    base.db.pool().close().await;
    let bytes = std::fs::read(base.folder.file("shop.db")).unwrap();
    (Folder::new().unwrap(), bytes, kept)
}

/// Opens a damaged file and reads it, as a whole and by an entity: what comes back has to be a beginning of what was there.
async fn look(file: &Path, kept: &[Vec<u8>]) -> Result<usize, String> {
    let db = Sqlite::open(file).deadline(Duration::from_secs(20)).await.map_err(|error| error.to_string())?;
    let looked = async {
        let store = db.store("orders").await.map_err(|error| error.to_string())?;
        let (whole, error) = read(&store, None).await;
        for (place, record) in whole.iter().enumerate() {
            assert_eq!(record.position().number(), place as u64 + 1, "a hole that nobody has named");
            assert_eq!(record.bytes(), kept[place], "a wrong value");
        }
        let (of_one, of_one_error) = read(&store, Some(3)).await;
        for (place, record) in of_one.iter().enumerate() {
            assert_eq!(record.position().number(), place as u64 * 7 + 4, "a hole that nobody has named");
            assert_eq!(record.bytes(), kept[place * 7 + 3], "a wrong value");
        }
        error.or(of_one_error).map_or(Ok(whole.len()), |error| Err(error.to_string()))
    };
    let looked = looked.await;
    db.pool().close().await;
    looked
}

async fn read<D: StoreDatabase>(store: &Store<D>, order: Option<u32>) -> (Vec<Recorded>, Option<StoreError>) {
    let reading = store.read("**");
    let mut reading = order.map_or(reading.clone(), |order| reading.about("Order", order)).start();
    let mut read = Vec::new();
    loop {
        match reading.next().await {
            Ok(Some(record)) => read.push(record),
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error)),
        }
    }
}

fn is_full() -> bool {
    std::env::var_os("CONVOKE_FULL").is_some()
}

#[actix_rt::test]
async fn a_file_that_was_cut_is_read_to_where_it_is_whole() {
    let (folder, bytes, kept) = closed_file().await;
    let mut random = fastrand::Rng::with_seed(17);
    let pages = (1..bytes.len() / 4096).map(|page| page * 4096);
    let anywhere: Vec<_> = (0..if is_full() { 1000 } else { 40 }).map(|_| random.usize(1..bytes.len())).collect();
    let (mut named, mut shorter) = (0, 0);
    for length in pages.chain(anywhere) {
        let file = folder.file("cut.db");
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
        std::fs::write(&file, &bytes[..length]).unwrap();
        match look(&file, &kept).await {
            // Without its first page it is no file of SQLite, and one is made; without its last bytes the last record may seem
            // never to have been.
            Ok(0) => assert!(length < 4096, "{length}: nothing was read, and nothing was said"),
            Ok(read) if read < kept.len() => shorter += 1,
            Ok(_) => {}
            Err(_) => named += 1,
        }
    }
    println!("{named} were named, {shorter} read less");
    assert!(named > 20 && shorter < 5, "{named} {shorter}");
}

#[actix_rt::test]
async fn a_bit_that_was_flipped_is_named_or_harms_nothing() {
    let (folder, bytes, kept) = closed_file().await;
    let mut random = fastrand::Rng::with_seed(18);
    let (mut named, mut harmless, mut empty) = (0, 0, 0);
    let flips = if is_full() { 10_000 } else { 300 };
    for _ in 0..flips {
        let (place, bit) = (random.usize(..bytes.len()), random.u8(..8));
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << bit;
        let file = folder.file("flipped.db");
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
        std::fs::write(&file, &damaged).unwrap();
        match look(&file, &kept).await {
            Ok(read) if read == kept.len() => harmless += 1,
            // The end of the table, or the name of the store, is not there any more.
            Ok(_) => empty += 1,
            Err(_) => named += 1,
        }
    }
    println!("{named} were named, {harmless} harmless, {empty} read less, of {flips}");
    assert!(named > flips / 5 && empty < flips / 20, "{named} {harmless} {empty}");
}
