//! What a tool sees of rounds that has not their type, and what it may do. A database of another need not be looked at.

#[cfg(feature = "sqlite")]
use super::File;
use super::Memory;
#[cfg(feature = "postgres")]
use super::Server;
#[cfg(feature = "redis")]
use super::redis;
use super::{Fixture, over_each};

use super::super::room::Room;

mod cases {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::durable::{DurableBroker, DurableError, DurableState, RoundDatabase as _, RoundsLook};
    use crate::{Broker, Emitter, Release, RepeatEmit, RoundKey};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn key(key: impl Into<RoundKey>) -> Option<RoundKey> {
        Some(key.into())
    }

    fn names(names: &[Arc<str>]) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }

    pub(super) async fn who_looks_makes_nothing<F: Fixture>(room: &Room<'_, F>) {
        let look = RoundsLook::over(&room.database);
        let error = look.broker("board").await.unwrap_err();
        assert!(matches!(&error, DurableError::NoBroker { broker, .. } if broker == "board"), "{error}");
        assert_eq!(error.to_string(), "there is no broker `board`; there is `approvals`");
        assert_eq!(names(&look.brokers(None, 10).await.unwrap()), ["approvals"], "it was not made by asking for it");
        let approvals = look.broker("approvals").await.unwrap();
        assert!(approvals.rounds(None, 10).await.unwrap().is_empty());
        assert!(matches!(approvals.why(key(7)).await, Ok(None)));
        // What its rules are nobody of ours can read.
        assert!(matches!(approvals.abort(key(7), "no", None).await, Err(DurableError::Rules(_))));
        assert_eq!(approvals.figures().await.unwrap(), Default::default());
    }

    pub(super) async fn brokers_are_listed_page_by_page<F: Fixture>(room: &Room<'_, F>) {
        for name in ["b", "a", "B", "tasks:together", "a.b-c_d"] {
            room.database.open_rounds(name.into()).await.unwrap();
        }
        // A key that ends as a broker's does is none.
        room.signal("tx:it").await;
        let look = RoundsLook::over(&room.database);
        let all = ["B", "a", "a.b-c_d", "approvals", "b", "tasks:together"];
        assert_eq!(names(&look.brokers(None, 100).await.unwrap()), all);
        assert_eq!(names(&look.brokers(None, 2).await.unwrap()), all[..2]);
        assert_eq!(names(&look.brokers(Some("a"), 2).await.unwrap()), all[2..4]);
        assert!(look.brokers(Some("tasks:together"), 2).await.unwrap().is_empty());
    }

    pub(super) async fn what_is_open_is_seen_without_its_type<F: Fixture>(room: &Room<'_, F>) {
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        struct Vote {
            why: String,
        }
        let board =
            Broker::<Vote>::new(DAY).expects(["legal", "finance"]).durable(&room.database, "board").await.unwrap();
        let legal = Emitter::join(&board, "legal").await.unwrap();
        let vote = || Vote { why: "it is in order".into() };
        let first = legal.emit_for(7, vote()).committed().await.unwrap();
        let other = legal.emit_for("7", vote()).committed().await.unwrap();
        let look = RoundsLook::over(&room.database).broker("board").await.unwrap();
        assert_eq!(look.name(), "board");
        let seen = look.why(key(7)).await.unwrap().unwrap();
        assert_eq!((seen.round, seen.key.clone(), seen.state.clone()), (first, key(7), DurableState::Open));
        assert_eq!((names(&seen.kept), names(&seen.missing)), (vec!["legal"], vec!["finance"]));
        assert_eq!(seen.release.as_deref(), Some("all of `legal`, `finance`"));
        assert!(seen.aborted_by.is_empty() && seen.due > seen.opened);
        assert_eq!(Some(&seen), board.why(7).await.unwrap().as_ref(), "as whoever has the broker sees it");
        let open = look.rounds(None, 1).await.unwrap();
        let rest = look.rounds(Some(open[0].round), 10).await.unwrap();
        assert_eq!([open[0].round, rest[0].round], [first, other]);
        assert_eq!((rest.len(), look.figures().await.unwrap().open), (1, 2));
        let finance = Emitter::join(&board, "finance").await.unwrap();
        finance.emit_for(7, vote()).await.unwrap();
        assert!(look.why(key(7)).await.unwrap().is_none());
        let past = look.history(key(7), 10).await.unwrap();
        assert_eq!((past.len(), &past[0].state, past[0].kept.len()), (1, &DurableState::Resolved, 2));
        assert_eq!(look.round(first).await.unwrap().unwrap(), past[0]);
        assert!(!format!("{past:?} {rest:?}").contains("in order"), "payloads are nobody's");
    }

    pub(super) async fn who_may_not_abort_is_told_who_may<F: Fixture>(room: &Room<'_, F>) {
        let board = Broker::<String>::new(DAY).expects(["legal", "finance"]).durable(&room.database, "board");
        let board = board.aborted_by(["chair", "legal"]).await.unwrap();
        let legal = Emitter::join(&board, "legal").await.unwrap();
        let round = legal.emit_for(7, "yes".into()).committed().await.unwrap();
        let look = RoundsLook::over(&room.database).broker("board").await.unwrap();
        for by in [None, Some("finance"), Some("")] {
            let error = look.abort(key(7), "no", by).await.unwrap_err();
            assert!(
                matches!(&error, DurableError::MayNotAbort { who, .. } if names(who) == ["chair", "legal"]),
                "{error}"
            );
            assert!(error.to_string().contains("`chair`, `legal`"), "{error}");
        }
        assert!(look.why(key(7)).await.unwrap().is_some());
        assert_eq!(look.abort(key(7), "it was withdrawn", Some("chair")).await.unwrap(), round);
        let outcome = board.outcome(round).await.unwrap();
        assert!(outcome.is_cancelled());
        let past = look.history(key(7), 10).await.unwrap();
        let DurableState::Cancelled(why) = &past[0].state else { panic!("{past:?}") };
        assert!(why.contains("it was withdrawn") && why.contains("chair"), "{why}");
        for key in [key(7), key(8), key("7"), None] {
            assert!(matches!(look.abort(key, "no", Some("chair")).await, Err(DurableError::NoRound)));
        }
        let long = RoundKey::from("x".repeat(300));
        assert!(matches!(look.abort(Some(long), "no", Some("chair")).await, Err(DurableError::Rules(_))));
    }

    pub(super) async fn a_round_of_a_predicate_is_seen_and_aborted<F: Fixture>(room: &Room<'_, F>) {
        let three = Release::when_named("three", 1, |gathered: &crate::Gathered<'_, u64>| gathered.weight() >= 3);
        let board = Broker::<u64>::new(DAY).expects(["legal", "finance", "chair"]).release(three);
        let board = board.durable(&room.database, "board").await.unwrap();
        let legal = Emitter::join(&board, "legal").await.unwrap();
        let round = legal.emit_for(7, 1).committed().await.unwrap();
        let look = RoundsLook::over(&room.database).broker("board").await.unwrap();
        let seen = look.why(key(7)).await.unwrap().unwrap();
        assert_eq!(names(&seen.kept), ["legal"]);
        assert_eq!(seen.release.as_deref(), Some("the rule `three` of version 1"));
        assert_eq!(look.abort(key(7), "no", None).await.unwrap(), round);
        assert!(board.outcome(round).await.unwrap().is_cancelled());
    }

    pub(super) async fn what_waits_for_the_next_round_opens_it_as_a_tool_aborts<F: Fixture>(room: &Room<'_, F>) {
        let board = Broker::<u64>::new(DAY).expects(["legal", "finance"]).repeat_emit(RepeatEmit::NextRound);
        let board = board.durable(&room.database, "board").await.unwrap();
        let legal = Emitter::join(&board, "legal").await.unwrap();
        let first = legal.emit_for(7, 1).committed().await.unwrap();
        assert_eq!(legal.emit_for(7, 2).committed().await.unwrap(), first, "it waits for the next");
        let look = RoundsLook::over(&room.database).broker("board").await.unwrap();
        assert_eq!(look.abort(key(7), "no", None).await.unwrap(), first);
        let next = look.why(key(7)).await.unwrap().unwrap();
        assert!(next.round > first);
        assert_eq!((names(&next.kept), names(&next.missing)), (vec!["legal"], vec!["finance"]));
        assert_eq!(next.release.as_deref(), Some("all of `legal`, `finance`"), "by the rules of the broker");
        let finance = Emitter::join(&board, "finance").await.unwrap();
        assert!(finance.emit_for(7, 3).await.unwrap().is_resolved());
    }

    pub(super) async fn of_two_who_abort_a_round_at_once_one_does<F: Fixture>(room: &Room<'_, F>) {
        let board =
            Broker::<u64>::new(DAY).expects(["legal", "finance"]).durable(&room.database, "board").await.unwrap();
        let legal = Emitter::join(&board, "legal").await.unwrap();
        for turn in 0..5 {
            let round = legal.emit_for(turn, 1).committed().await.unwrap();
            let look = RoundsLook::over(&room.database);
            let (one, other) = (look.broker("board").await.unwrap(), look.broker("board").await.unwrap());
            let (first, second) =
                tokio::join!(one.abort(key(turn), "one", None), other.abort(key(turn), "other", Some("ops")));
            let done: Vec<_> = [&first, &second].into_iter().filter_map(|aborted| aborted.as_ref().ok()).collect();
            assert_eq!(done, [&round], "{first:?} {second:?}");
            let refused = [first, second].into_iter().filter_map(Result::err).next();
            assert!(matches!(refused, Some(DurableError::NoRound)), "{refused:?}");
        }
    }
}

over_each!(cases::{
    who_looks_makes_nothing,
    brokers_are_listed_page_by_page,
    what_is_open_is_seen_without_its_type,
    who_may_not_abort_is_told_who_may,
    a_round_of_a_predicate_is_seen_and_aborted,
    what_waits_for_the_next_round_opens_it_as_a_tool_aborts,
    of_two_who_abort_a_round_at_once_one_does,
});
