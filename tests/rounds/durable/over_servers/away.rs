//! A server that is killed and started again under load: what was said to be a row is one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::conformance::Server;
use tokio::time::sleep;

use super::{BOARD, DAY, Kept, Site, approvals, board, number, told};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::until;

const KEYS: u64 = 120;

#[actix_rt::test]
async fn what_is_a_row_outlives_its_postgres() {
    let base = Database::alone(&["max_connections=60"]).await;
    play(&base, base.server().ours().unwrap()).await;
}

#[actix_rt::test]
async fn what_is_a_row_outlives_its_redis() {
    let base = Kept::new().await;
    play(&base, base.server.ours().unwrap()).await;
}

async fn play<B: Site>(base: &B, server: &dyn Server) {
    base.prepare().await;
    let db = B::open(&base.place()).await;
    let approvals =
        approvals::<B>(&db, DAY).retry(Retry::exponential(Duration::from_millis(100)).attempts(100)).await.unwrap();
    let noting = db.clone();
    let note = async move |round: Outcome<String>| B::note(&noting, number(round.round()), &told(&round)).await;
    let _audit = Consumer::join(&approvals, Consumer::new(note).named("audit")).await.unwrap();
    let board = board(&approvals).await;
    let (committed, refused) = (Cell::new(0), Cell::new(0));
    let signs = async {
        for key in 0..KEYS {
            for (emitter, name) in board.iter().zip(BOARD) {
                // Until it is a row, which one that was refused may be.
                loop {
                    match emitter.emit_for(key, format!("{name} {key}")).committed().await {
                        Ok(_) => committed.set(committed.get() + 1),
                        Err(EmitError::AlreadyKept { .. } | EmitError::Late { .. }) => {}
                        Err(error) => {
                            refused.set(refused.get() + 1);
                            assert!(matches!(error, EmitError::Database(_)), "{error}");
                            continue;
                        }
                    }
                    break;
                }
            }
        }
    };
    let kills = async {
        for part in 1..=3 {
            until("some are rows", async || committed.get() >= part * 60).await;
            server.kill().await;
            sleep(Duration::from_millis(300)).await;
            server.start().await;
        }
    };
    tokio::join!(signs, kills);
    until("none is open", async || {
        approvals.figures().await.is_ok_and(|figures| figures.open == 0 && figures.over == KEYS)
    })
    .await;
    let mut all = BTreeMap::new();
    for key in 0..KEYS {
        let outcome = approvals.outcome_for(key).await.unwrap();
        let says = BOARD.map(|name| format!("{name} {key}"));
        assert_eq!(outcome.payloads(), says, "{key}");
        all.insert(number(outcome.round()), told(&outcome));
    }
    println!(
        "figure: a server was killed 3 times under {KEYS} rounds: {} signals were refused meanwhile, none is lost",
        refused.get()
    );
    // Heard of at least once, and the same each time.
    until("all are heard of", async || base.noted().await.into_iter().collect::<BTreeMap<_, _>>().len() == all.len())
        .await;
    for (round, outcome) in base.noted().await {
        assert_eq!(all[&round], outcome);
    }
}

fn kills() -> usize {
    if std::env::var_os("CONVOKE_FULL").is_some() { 200 } else { 20 }
}

/// How many sign at the same time.
const SIGNERS: u64 = 16;

#[actix_rt::test]
async fn a_redis_that_is_killed_under_load_loses_nothing_and_doubles_nothing() {
    let base = Kept::new().await;
    let there = Kept::open(&base.place()).await;
    let (here, there) =
        (approvals::<Kept>(&base.db, DAY).await.unwrap(), approvals::<Kept>(&there, DAY).await.unwrap());
    // It is to hear of each round, and nobody takes that away.
    drop(Consumer::join(&here, Consumer::new(|_: Outcome<String>| ()).named("audit")).await.unwrap());
    let boards = [board(&here).await, board(&there).await];
    let (is_over, refused) = (Cell::new(false), Cell::new(0));
    let signer = async |first: u64| {
        let mut key = first;
        while !is_over.get() {
            for (at, name) in BOARD.iter().enumerate() {
                let emitter = &boards[(at + usize::try_from(key / SIGNERS).unwrap()) % 2][at];
                while let Err(error) = emitter.emit_for(key, format!("{name} {key}")).committed().await {
                    match error {
                        EmitError::AlreadyKept { .. } | EmitError::Late { .. } | EmitError::NoRound => break,
                        EmitError::Database(_) => refused.set(refused.get() + 1),
                        other => panic!("{other}"),
                    }
                }
            }
            key += SIGNERS;
        }
        (key - first) / SIGNERS
    };
    let kills = async {
        let server = base.server.ours().unwrap();
        for _ in 0..kills() {
            sleep(Duration::from_millis(fastrand::u64(20..200))).await;
            server.kill().await;
            server.start().await;
        }
        is_over.set(true);
    };
    let (signed, ()) = tokio::join!(futures_util::future::join_all((0..SIGNERS).map(signer)), kills);
    let count: u64 = signed.iter().sum();
    until("none is open", async || here.figures().await.is_ok_and(|figures| figures.open == 0)).await;
    assert_eq!(here.figures().await.unwrap().over, count, "each key has one round");
    let mut rounds = BTreeSet::new();
    for (first, keys) in (0..SIGNERS).zip(signed) {
        for key in (0..keys).map(|turn| first + turn * SIGNERS) {
            let outcome = here.outcome_for(key).await.unwrap();
            let mut says = outcome.payloads().to_vec();
            says.sort();
            let mut all = BOARD.map(|name| format!("{name} {key}"));
            all.sort();
            assert_eq!(says, all, "{key}");
            rounds.insert(number(outcome.round()));
        }
    }
    // The consumer has one word of each.
    let heard: Vec<i64> = base.heard("audit").await;
    let mut once = BTreeSet::new();
    let twice: Vec<_> = heard.iter().enumerate().filter(|(_, round)| !once.insert(**round)).collect();
    assert!(twice.is_empty(), "rounds that stand there once more, with their places: {twice:?}");
    assert_eq!((heard.len() as u64, heard.into_iter().collect::<BTreeSet<_>>()), (count, rounds));
    println!(
        "figure: a Redis was killed {} times under {SIGNERS} signers in two processes: {count} rounds, {} signals refused meanwhile, 0 lost, 0 double",
        self::kills(),
        refused.get()
    );
}
