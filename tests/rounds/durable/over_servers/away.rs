//! A server that is killed and started again under load: what was said to be a row is one.

use std::cell::Cell;
use std::collections::BTreeMap;
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
