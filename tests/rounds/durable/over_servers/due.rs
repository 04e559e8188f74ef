//! Deadlines that are kept by whoever lives.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use convoke::Durable;

use super::{Kept, Site, approvals, board};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_ROUNDS_DUE";

/// How many are open at once, and for how long.
fn crowd() -> (u64, Duration) {
    match std::env::var_os("CONVOKE_FULL") {
        Some(_) => (100_000, Duration::from_secs(90)),
        None => (1_000, Duration::from_secs(3)),
    }
}

fn child(test: &str, place: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
    command.env(CHILD, place).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// In a child: keeps deadlines, until it is killed.
fn is_child<B: Site>() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        let _approvals = approvals::<B>(&B::open(&place).await, crowd().1).await.unwrap();
        std::future::pending::<()>().await;
    });
    true
}

/// Waits until so many are over.
async fn over(here: &Durable<String>, rounds: u64, time: Duration) {
    let began = std::time::Instant::now();
    // Beyond 100,000 nobody counts.
    while here.figures().await.unwrap().over < rounds {
        assert!(began.elapsed() < time + Duration::from_secs(120), "waited in vain until {rounds} are over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn play<B: Site>(test: &str, base: B) {
    let (rounds, time) = crowd();
    let here = approvals::<B>(base.database(), time).await.unwrap();
    let mut beside = child(test, &base.place());
    let [legal, ..] = board(&here).await;
    for first in (0..rounds).step_by(5_000) {
        let keys = first..rounds.min(first + 5_000);
        let signs = keys.map(|key| legal.emit_for(key, "l".to_owned()).committed());
        for signed in futures_util::future::join_all(signs).await {
            signed.unwrap();
        }
    }
    // While some of them are due, and the other process may be at it.
    over(&here, 1, time).await;
    beside.kill().unwrap();
    beside.wait().unwrap();
    over(&here, rounds, time).await;
    let mut late = Vec::new();
    for key in 0..rounds {
        let outcome = here.outcome_for(key).await.unwrap();
        assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing finance, chair");
        assert!(outcome.elapsed() >= time, "{:?}", outcome.elapsed());
        late.push(outcome.elapsed() - time);
    }
    late.sort();
    let at = |share: usize| late[(late.len() - 1) * share / 100];
    println!(
        "figure: {rounds} deadlines, one of two processes killed: late by {:?} at p50, {:?} at p99, {:?} at most",
        at(50),
        at(99),
        at(100)
    );
    assert!(here.rounds(None, 10).await.unwrap().is_empty());
}

#[test]
fn deadlines_over_sqlite_are_kept_by_whoever_lives() {
    if !is_child::<File>() {
        let test = concat!(module_path!(), "::deadlines_over_sqlite_are_kept_by_whoever_lives");
        actix_rt::System::new().block_on(async { play(test, <File as Site>::new().await).await });
    }
}

#[test]
fn deadlines_over_postgres_are_kept_by_whoever_lives() {
    if !is_child::<Database>() {
        let test = concat!(module_path!(), "::deadlines_over_postgres_are_kept_by_whoever_lives");
        actix_rt::System::new().block_on(async { play(test, <Database as Site>::new().await).await });
    }
}

#[test]
fn deadlines_over_redis_are_kept_by_whoever_lives() {
    if !is_child::<Kept>() {
        let test = concat!(module_path!(), "::deadlines_over_redis_are_kept_by_whoever_lives");
        actix_rt::System::new().block_on(async { play(test, Kept::new().await).await });
    }
}
