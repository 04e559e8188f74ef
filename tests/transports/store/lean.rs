//! How much memory a replay takes, however many records there are.
//!
//! `filled store → a child (this binary once more): idle, replay, the most that it ever had → figure`

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;

use convoke::prelude::*;
use convoke::transport::{Postgres, Sqlite};
use convoke::{Store, StoreDatabase};

use super::{Base, Moved, filled};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_REPLAY";

/// So much more than idle, in KiB.
const MOST: u64 = 32 * 1024;

const ORDERS: u32 = 1000;

fn steps() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 1000 } else { 20 }
}

/// The most memory that this process has had, in KiB.
fn most() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn replay<D: StoreDatabase>(store: Store<D>) {
    let (bus, heard) = (EventBus::default(), Rc::new(Cell::new(0)));
    let counts = heard.clone();
    let _counts = bus.on(move |_: &Moved| counts.set(counts.get() + 1)).unwrap();
    // What the first page needs, everybody needs who reads at all.
    store
        .replay("orders/*")
        .until(store.read("**").limit(1).all().await.unwrap()[0].position())
        .to(&bus)
        .await
        .unwrap();
    let idle = most();
    let replayed = store.replay("orders/*").to(&bus).await.unwrap();
    assert_eq!((replayed.told, heard.get()), (u64::from(ORDERS * steps()), u64::from(ORDERS * steps()) + 1));
    println!("child: {idle} {}", most());
}

/// In a child: replays everything.
fn is_child() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        if place.starts_with("postgres") {
            replay(Postgres::connect(place).await.unwrap().store("orders").await.unwrap()).await;
        } else {
            replay(Sqlite::open(place).await.unwrap().store("orders").await.unwrap()).await;
        }
    });
    true
}

async fn play<B: Base>(database: &str, test: &str, base: B, place: &str) {
    filled(&base, ORDERS, steps()).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]).env(CHILD, place);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().find_map(|line| line.split_once("child: ")).unwrap_or_else(|| panic!("{said}")).1;
    let (idle, most) = line.split_once(' ').unwrap();
    let (idle, most): (u64, u64) = (idle.parse().unwrap(), most.parse().unwrap());
    let more = most - idle;
    println!(
        "figure: {} KiB beyond the {idle} of an idle process, to replay {} events over {database}",
        more,
        ORDERS * steps()
    );
    assert!(more <= MOST, "{more} KiB");
}

#[test]
fn a_replay_over_sqlite_takes_no_more_memory_however_long_it_is() {
    if is_child() {
        return;
    }
    let test = concat!(module_path!(), "::a_replay_over_sqlite_takes_no_more_memory_however_long_it_is");
    actix_rt::System::new().block_on(async {
        let base = File::new().await;
        let place = base.folder.file("shop.db").display().to_string();
        play("SQLite", test, base, &place).await;
    });
}

#[test]
fn a_replay_over_postgres_takes_no_more_memory_however_long_it_is() {
    if is_child() {
        return;
    }
    let test = concat!(module_path!(), "::a_replay_over_postgres_takes_no_more_memory_however_long_it_is");
    actix_rt::System::new().block_on(async {
        let base = Database::new().await;
        let place = base.url.clone();
        play("PostgreSQL", test, base, &place).await;
    });
}
