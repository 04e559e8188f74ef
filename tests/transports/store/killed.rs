//! A projection in a process that is killed again and again while it catches up: in the end its rows are what they would be
//! without.
//!
//! `filled store → a child (this binary once more): catch_up, killed somewhere → … → a last one that is not → the same sums`

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use convoke::Project;
use convoke::transport::{Postgres, Sqlite};

use super::projecting::{Rows, Sums};
use super::{Base, filled};
use crate::transports::outbox::Connection;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_PROJECTION";

const ORDERS: u32 = 100;
const KILLS: u32 = 10;

fn steps() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 10_000 } else { 1_000 }
}

/// In a child: catches up, and is killed on the way, or not.
fn is_child() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        if place.starts_with("postgres") {
            let db = Postgres::connect(place).await.unwrap();
            let store = db.store("orders").await.unwrap();
            db.projection("sums", store.read("orders/*"), Sums::default()).await.unwrap().catch_up().await.unwrap();
        } else {
            let db = Sqlite::open(place).await.unwrap();
            let store = db.store("orders").await.unwrap();
            db.projection("sums", store.read("orders/*"), Sums::default()).await.unwrap().catch_up().await.unwrap();
        }
    });
    true
}

async fn play<B: Rows>(test: &str, base: B, place: &str)
where
    Sums: Project<Connection<B>>,
{
    let store = filled(&base, ORDERS, steps()).await;
    let sums = Sums::default();
    let projection = base.projection(&store, sums.clone()).await;
    let mut random = fastrand::Rng::with_seed(19);
    let (mut killed, mut wait, mut before) = (0, 800, 0);
    while killed < KILLS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]).env(CHILD, place);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.u64(wait / 8..wait))).await;
        child.kill().unwrap();
        let was_killed = !child.wait().unwrap().success();
        let position = projection.progress().await.unwrap().position.number();
        assert!(position >= before, "it went back");
        if !was_killed {
            // It came to its end: only a process that is at work is killed.
            break;
        }
        // Until one gets somewhere, the next has longer.
        if position > before {
            killed += 1;
        } else {
            wait += wait / 2;
        }
        before = position;
    }
    let left = projection.progress().await.unwrap().left();
    projection.catch_up().await.unwrap();
    println!("figure: {killed} processes were killed at work, the last with {left} records left");
    let all = u64::from(steps() * (steps() - 1) / 2);
    let expected: BTreeMap<_, _> = (0..ORDERS).map(|order| (order, all)).collect();
    assert_eq!(base.sums(&sums, projection.edition().await.unwrap().unwrap()).await, expected);
    assert!(killed >= 3, "{killed}");
}

#[test]
fn a_projection_over_sqlite_survives_its_process() {
    if is_child() {
        return;
    }
    let test = concat!(module_path!(), "::a_projection_over_sqlite_survives_its_process");
    actix_rt::System::new().block_on(async {
        let base = File::new().await;
        let place = base.folder.file("shop.db").display().to_string();
        play(test, base, &place).await;
    });
}

#[test]
fn a_projection_over_postgres_survives_its_process() {
    if is_child() {
        return;
    }
    let test = concat!(module_path!(), "::a_projection_over_postgres_survives_its_process");
    actix_rt::System::new().block_on(async {
        let base = Database::new().await;
        let place = base.url.clone();
        play(test, base, &place).await;
    });
}
