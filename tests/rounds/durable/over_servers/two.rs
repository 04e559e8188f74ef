//! Two handles of a broker, each with a connection of its own, as two processes have them.

use std::collections::BTreeMap;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{DurableError, DurableState};

use super::{DAY, Site, approvals, board, number, over_all, told};
use crate::transports::outbox::until;

over_all! {
    who_signs_in_two_processes_hears_the_same,
    a_round_goes_on_in_another_process,
    a_broker_of_other_rules_is_refused,
    a_party_has_its_own_deadline_in_every_process,
}

async fn who_signs_in_two_processes_hears_the_same<B: Site>() {
    let base = B::new().await;
    base.prepare().await;
    let (first, second) = (B::open(&base.place()).await, B::open(&base.place()).await);
    let (here, there) = (approvals::<B>(&first, DAY).await.unwrap(), approvals::<B>(&second, DAY).await.unwrap());
    let mut guards = Vec::new();
    for (broker, db) in [(&here, &first), (&there, &second)] {
        let db = db.clone();
        let note = async move |round: Outcome<String>| B::note(&db, number(round.round()), &told(&round)).await;
        guards.push(Consumer::join(broker, Consumer::new(note).named("audit")).await.unwrap());
    }
    let ([legal, ..], [_, finance, chair]) = (board(&here).await, board(&there).await);
    let mut all = BTreeMap::new();
    for key in 0..30 {
        let signed = |who: &str| format!("{who} {key}");
        let round = legal.emit_for(key, signed("l")).committed().await.unwrap();
        // One of three vetoes now and then.
        let is_vetoed = key % 5 == 0;
        let third = if is_vetoed { chair.veto_for(key, "no") } else { chair.emit_for(key, signed("c")) };
        let (first, second, third) = tokio::join!(here.outcome(round), finance.emit_for(key, signed("f")), third);
        let outcome = first.unwrap();
        assert_eq!((outcome.round(), told(&outcome)), (round, told(&third.unwrap())));
        match second {
            Ok(second) => assert_eq!((second.round(), told(&second)), (round, told(&outcome))),
            Err(late) => assert!(is_vetoed && matches!(late, EmitError::Late { .. }), "{late}"),
        }
        if !is_vetoed {
            let mut payloads = outcome.payloads().to_vec();
            payloads.sort();
            assert_eq!(payloads, [signed("c"), signed("f"), signed("l")]);
        }
        all.insert(number(round), told(&outcome));
    }
    assert!(here.rounds(None, 10).await.unwrap().is_empty());
    // The consumer has heard of each once, in one of the two processes.
    until("all are heard of", async || base.noted().await.len() >= all.len()).await;
    let heard = base.noted().await;
    assert_eq!(heard.len(), all.len(), "{heard:?}");
    assert_eq!(heard.into_iter().collect::<BTreeMap<_, _>>(), all);
    drop(guards);
}

async fn a_round_goes_on_in_another_process<B: Site>() {
    let base = B::new().await;
    let round = {
        let db = B::open(&base.place()).await;
        let approvals = approvals::<B>(&db, DAY).await.unwrap();
        let [legal, ..] = board(&approvals).await;
        legal.emit_for("contract", "l".to_owned()).committed().await.unwrap()
    };
    let db = B::open(&base.place()).await;
    let approvals = approvals::<B>(&db, DAY).await.unwrap();
    let why = approvals.why("contract").await.unwrap().unwrap();
    assert_eq!((why.round, &why.state, why.kept.len(), why.missing.len()), (round, &DurableState::Open, 1, 2));
    let [legal, finance, chair] = board(&approvals).await;
    let again = legal.emit_for("contract", "l".to_owned()).committed().await.unwrap_err();
    assert_eq!(again, EmitError::AlreadyKept { round });
    let (second, third) =
        tokio::join!(finance.emit_for("contract", "f".to_owned()), chair.emit_for("contract", "c".to_owned()));
    assert_eq!((second.unwrap().round(), told(&third.unwrap())), (round, "resolved [\"l\", \"f\", \"c\"]".to_owned()));
    let outcome = approvals.outcome(round).await.unwrap();
    assert_eq!(outcome.payload("finance").unwrap(), "f");
    assert!(approvals.why("contract").await.unwrap().is_none());
    assert_eq!(approvals.history("contract", 10).await.unwrap().len(), 1);
}

async fn a_broker_of_other_rules_is_refused<B: Site>() {
    let base = B::new().await;
    let first = approvals::<B>(base.database(), DAY).await.unwrap();
    let other = approvals::<B>(base.database(), 2 * DAY).await.unwrap_err();
    assert!(matches!(other, DurableError::OtherRules { .. }), "{other}");
    let [legal, finance, _] = board(&first).await;
    let round = legal.emit_for(1, "l".to_owned()).committed().await.unwrap();
    // Rounds that are open keep their rules.
    let replaces = approvals::<B>(base.database(), 2 * DAY).replaces_rules().await.unwrap();
    assert_eq!(finance.emit_for(1, "f".to_owned()).committed().await.unwrap(), round);
    let why = replaces.why(1).await.unwrap().unwrap();
    assert_eq!(why.due.duration_since(why.opened).unwrap(), DAY);
    let [legal, ..] = board(&replaces).await;
    legal.emit_for(2, "l".to_owned()).committed().await.unwrap();
    let why = first.why(2).await.unwrap().unwrap();
    assert_eq!(why.due.duration_since(why.opened).unwrap(), 2 * DAY);
}

async fn a_party_has_its_own_deadline_in_every_process<B: Site>() {
    let base = B::new().await;
    let (first, second) = (B::open(&base.place()).await, B::open(&base.place()).await);
    let (here, there) = (approvals::<B>(&first, DAY).await.unwrap(), approvals::<B>(&second, DAY).await.unwrap());
    let slow = Duration::from_millis(300);
    let gone = Emitter::join(&here, Emitter::new("finance").deadline(slow)).await.unwrap();
    let [legal, ..] = board(&there).await;
    let round = legal.emit_for("contract", "l".to_owned()).committed().await.unwrap();
    let why = there.why("contract").await.unwrap().unwrap();
    assert_eq!(why.due.duration_since(why.opened).unwrap(), slow);
    // Whoever has said so need not live.
    drop((gone, here));
    let outcome = there.outcome(round).await.unwrap();
    assert_eq!(told(&outcome), "cancelled timed out; missing finance, chair [\"l\"]");
    assert!(outcome.elapsed() >= slow, "{:?}", outcome.elapsed());
    assert_eq!(there.parties().await.unwrap()[0].deadline, Some(slow));
}
