//! Deadlines that are kept by whoever lives.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Kept, Site, approvals, board};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_ROUNDS_DUE";

const ROUNDS: u64 = 1_000;
const TIME: Duration = Duration::from_secs(3);

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
        let _approvals = approvals::<B>(&B::open(&place).await, TIME).await.unwrap();
        std::future::pending::<()>().await;
    });
    true
}

async fn play<B: Site>(test: &str, base: B) {
    let here = approvals::<B>(base.database(), TIME).await.unwrap();
    let mut beside = child(test, &base.place());
    let [legal, ..] = board(&here).await;
    let signs = (0..ROUNDS).map(|key| legal.emit_for(key, "l".to_owned()).committed());
    for signed in futures_util::future::join_all(signs).await {
        signed.unwrap();
    }
    // While some of them are due, and the other process may be at it.
    until("some are over", async || here.figures().await.unwrap().over > 0).await;
    beside.kill().unwrap();
    beside.wait().unwrap();
    until("all are over", async || here.figures().await.unwrap().over == ROUNDS).await;
    let mut late = Vec::new();
    for key in 0..ROUNDS {
        let outcome = here.outcome_for(key).await.unwrap();
        assert_eq!(outcome.cause().unwrap().to_string(), "timed out; missing finance, chair");
        assert!(outcome.elapsed() >= TIME, "{:?}", outcome.elapsed());
        late.push(outcome.elapsed() - TIME);
    }
    late.sort();
    let at = |share: usize| late[(late.len() - 1) * share / 100];
    println!(
        "figure: {ROUNDS} deadlines, one of two processes killed: late by {:?} at p50, {:?} at p99, {:?} at most",
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
