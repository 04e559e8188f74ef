//! What cannot be done is a named error that says what to do; each with its exact text.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use convoke::prelude::*;
use convoke::{ConfigError, EmitterSpec, Membership};
use uuid::Uuid;

use crate::common::{SECOND, after, at_once, cause, join_all, missing, out_of_reach, settled, timed_out};

const ZERO: Duration = Duration::ZERO;

/// Rules by which no round could go are told to whoever starts the broker, and else to whoever joins it.
async fn assert_misconfigured(make: impl Fn() -> Broker<u32>, expected: ConfigError, text: &str) {
    let error = make().try_start().unwrap_err();
    assert_eq!((&error, error.to_string().as_str()), (&BrokerError::Config(expected), text));
    assert_eq!(error.source().unwrap().to_string(), text);

    let broker = make().start();
    let error = Emitter::join(&broker, "one").await.unwrap_err();
    assert_eq!((&error, error.to_string().as_str()), (&JoinError::Config(expected), text));
    let error = Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap_err();
    assert_eq!(error, JoinError::Config(expected));
    settled().await;
}

#[convoke::test]
async fn a_timeout_of_zero() {
    let text = "a timeout of zero leaves no time to answer: give a longer one";
    assert_misconfigured(|| Broker::new(ZERO), ConfigError::ZeroTimeout, text).await;
    assert_misconfigured(|| Broker::new(SECOND).idle_timeout(ZERO), ConfigError::ZeroTimeout, text).await;
    assert_misconfigured(|| Broker::new(SECOND).consumer_timeout(ZERO), ConfigError::ZeroTimeout, text).await;
}

#[convoke::test]
async fn a_timeout_of_zero_is_mended_by_a_longer_one() {
    let broker = Broker::<u32>::new(ZERO).start();
    assert!(Emitter::join(&broker, "one").await.is_err());
    let error = broker.set_timeout(ZERO).await.unwrap_err();
    assert_eq!(error, BrokerError::Config(ConfigError::ZeroTimeout));
    broker.set_timeout(SECOND).await.unwrap();
    assert!(Emitter::join(&broker, "one").await.is_ok());
}

#[convoke::test]
async fn a_timeout_beyond_what_a_clock_can_count_is_no_panic() {
    let broker = Broker::new(Duration::MAX).idle_timeout(Duration::MAX).late_window(Duration::MAX).start();
    let [one] = join_all(&broker, ["one"]).await;
    let _endless = Emitter::join(&broker, Emitter::new("endless").deadline(Duration::MAX)).await.unwrap();
    let first = one.emit(1);
    settled().await;
    broker.abort("no").await.unwrap();
    assert!(at_once(first).await.unwrap().is_cancelled());
}

#[convoke::test]
async fn a_quorum_of_zero() {
    let text = "a quorum of zero would release a round before its first signal: ask for at least 1";
    let make = || Broker::new(SECOND).release(Release::at_least(0));
    assert_misconfigured(make, ConfigError::ZeroQuorum, text).await;
}

#[convoke::test]
async fn nobody_required() {
    let text = "no name is required: name at least one emitter, or use Release::all()";
    let make = || Broker::new(SECOND).release(Release::required::<&str>([]));
    assert_misconfigured(make, ConfigError::NothingRequired, text).await;
}

#[convoke::test]
async fn a_limit_of_zero() {
    let text = "a limit of zero lets nothing through: allow at least 1";
    assert_misconfigured(|| Broker::new(SECOND).max_open(0), ConfigError::ZeroLimit, text).await;
    assert_misconfigured(|| Broker::new(SECOND).max_waiting(0), ConfigError::ZeroLimit, text).await;
    assert_misconfigured(|| Broker::new(SECOND).max_members(0), ConfigError::ZeroLimit, text).await;
    assert_misconfigured(|| Broker::new(SECOND).max_late(0), ConfigError::ZeroLimit, text).await;
}

async fn of_quorum_three(late_join: LateJoin) -> (Addr<Broker<u32>>, [EmitterHandle<u32>; 2]) {
    let broker = Broker::new(SECOND).release(Release::at_least(3)).late_join(late_join).start();
    let emitters = join_all(&broker, ["one", "two"]).await;
    (broker, emitters)
}

#[convoke::test]
async fn a_quorum_larger_than_the_roster_waits_where_somebody_may_still_join() {
    let (broker, [one, two]) = of_quorum_three(LateJoin::ThisRound).await;
    two.do_emit(2).unwrap();
    let first = one.emit(1);
    settled().await;
    let [three] = join_all(&broker, ["three"]).await;
    three.do_emit(3).unwrap();
    assert!(at_once(first).await.unwrap().is_resolved());
    three.leave();
    two.do_emit(2).unwrap();
    let outcome = after(SECOND, one.emit(1)).await.unwrap();
    assert_eq!((cause(&outcome), missing(&outcome)), (timed_out([]), vec![]));
}

#[convoke::test]
async fn a_quorum_larger_than_the_roster_is_out_of_reach_where_nobody_may_join() {
    for late_join in [LateJoin::NextRound, LateJoin::Rejected] {
        let (_broker, [one, _two]) = of_quorum_three(late_join).await;
        let outcome = at_once(one.emit(1)).await.unwrap();
        assert_eq!(cause(&outcome), out_of_reach(["two"]));
        assert_eq!(cause(&outcome).to_string(), "whoever was left could not release it; missing two");
    }
}

#[convoke::test]
async fn a_required_name_that_nobody_bears_is_out_of_reach_where_nobody_may_join() {
    let broker = Broker::new(SECOND).release(Release::required(["fraud check"])).late_join(LateJoin::NextRound);
    let broker = broker.start();
    let [one] = join_all(&broker, ["one"]).await;
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert_eq!(cause(&outcome), out_of_reach(["fraud check"]));
    let text = "round #1 cancelled after 0ns: whoever was left could not release it; no member named fraud check";
    assert_eq!(outcome.to_string(), text);
    assert_eq!(outcome.cancelled().unwrap().unfilled(), [Arc::<str>::from("fraud check")]);
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().recent[0].unfilled, [Arc::<str>::from("fraud check")]);
}

#[convoke::test]
async fn a_duplicate_id() {
    let broker = Broker::<u32>::new(SECOND).start();
    let id = Uuid::from_u128(17);
    let stock = Emitter::join(&broker, Emitter::new("stock").with_id(id)).await.unwrap();
    let error = Emitter::join(&broker, Emitter::new("other").with_id(id)).await.unwrap_err();
    assert_eq!(error, JoinError::DuplicateId { id: id.into(), name: "stock".into() });
    let text = format!("the id {id} is taken by the emitter `stock`: give another, or none");
    assert_eq!(error.to_string(), text);
    stock.leave();
    settled().await;
    assert!(Emitter::join(&broker, Emitter::new("other").with_id(id)).await.is_ok());
}

#[convoke::test]
async fn a_key_beyond_the_limit() {
    let broker = Broker::new(SECOND).max_open(1).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let _open = one.emit_for("a", 1);
    let error = at_once(one.emit_for("b", 1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the limit of 1 rounds, open or with their consumers, is reached: wait, or raise `max_open`"
    );
}

#[convoke::test]
async fn more_signals_than_may_wait() {
    let broker = Broker::new(SECOND).max_waiting(3).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let waiting: Vec<_> = (0..3).map(|key| one.emit_for(key, 1)).collect();
    let text = "3 signals wait for this broker, the most it holds: wait, or raise `max_waiting`";
    assert_eq!(two.do_emit_for(0, 2).unwrap_err().to_string(), text);
    assert_eq!(at_once(two.emit_for(0, 2)).await.unwrap_err(), EmitError::Busy { limit: 3 });
    settled().await;
    (0..3).for_each(|key| two.do_emit_for(key, 2).unwrap());
    for emission in waiting {
        assert!(at_once(emission).await.unwrap().is_resolved(), "what was taken is not lost");
    }
}

#[convoke::test]
async fn more_signals_for_the_next_round_than_may_wait() {
    let broker = Broker::new(SECOND).max_waiting(2).repeat_emit(RepeatEmit::NextRound).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let mut emissions = Vec::new();
    for payload in 0..3 {
        emissions.push(one.emit(payload));
        settled().await;
    }
    assert_eq!(at_once(one.emit(3)).await.unwrap_err(), EmitError::Busy { limit: 2 });
    broker.stop();
}

#[convoke::test]
async fn more_members_than_may_be() {
    let broker = Broker::<u32>::new(SECOND).max_members(1).start();
    let [one] = join_all(&broker, ["one"]).await;
    let error = Emitter::join(&broker, "two").await.unwrap_err();
    assert_eq!(error.to_string(), "the broker has its 1 members: raise `max_members`");
    let _log = Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap();
    let error = Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap_err();
    assert_eq!(error, JoinError::Full { limit: 1 });
    one.leave();
    settled().await;
    assert!(Emitter::join(&broker, "two").await.is_ok());
}

#[convoke::test]
async fn a_signal_or_a_veto_of_who_is_no_member() {
    let broker = Broker::<u32>::new(SECOND).start();
    let stray = Emitter::<u32>::new("stray").start();
    let error = at_once(EmitterExt::emit(&stray, 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the emitter is not a member of a broker: let it join one first");
    assert_eq!(at_once(stray.veto("no")).await.unwrap_err(), EmitError::NotJoined);
    stray.join(&broker).await.unwrap();
    EmitterExt::leave(&stray).await.unwrap();
    assert_eq!(at_once(stray.emit_for("a", 1)).await.unwrap_err(), EmitError::NotJoined);
}

#[convoke::test]
async fn a_veto_or_an_abort_without_a_round() {
    let broker = Broker::<u32>::new(SECOND).start();
    let [one] = join_all(&broker, ["one"]).await;
    let error = at_once(one.veto("no")).await.unwrap_err();
    assert_eq!(error.to_string(), "no round is open that could be vetoed: a round opens with the first signal");
    assert_eq!(at_once(one.veto_for("a", "no")).await.unwrap_err(), EmitError::NoRound);
    assert_eq!(broker.abort("no").await.unwrap_err().to_string(), "no round without a key is open");
    assert_eq!(broker.abort_for("a", "no").await.unwrap_err().to_string(), "no round of `a` is open");
}

#[convoke::test]
async fn a_signal_of_a_round_that_is_over() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    for key in [None, Some(RoundKey::from("a"))] {
        let emit = |emitter: &Membership<u32>| match &key {
            None => emitter.emit(1),
            Some(key) => emitter.emit_for(key, 1),
        };
        let round = after(SECOND, emit(&one)).await.unwrap().round();
        let error = at_once(emit(&two)).await.unwrap_err();
        assert_eq!(error, EmitError::Late { round, key });
    }
}

#[test]
fn no_arbiter() {
    let error = Broker::<u32>::new(SECOND).try_start().unwrap_err();
    let place = "under #[actix::main], #[convoke::test] or inside System::new().block_on(…)";
    assert_eq!(error.to_string(), format!("no actix system on this thread: start brokers {place}"));
    assert_eq!(Brokers::<u32>::new().create("orders", SECOND).unwrap_err(), BrokerError::NoArbiter);

    let runner = actix::System::new();
    let broker = runner.block_on(async { Broker::<u32>::new(SECOND).start() });
    let join = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let emitter = Emitter::join(&broker, "one").await.unwrap_err();
            let consumer = Consumer::join(&broker, |_: Resolved<u32>| ()).await.unwrap_err();
            (emitter.to_string(), consumer)
        })
    });
    let (emitter, consumer) = join.join().unwrap();
    assert_eq!(emitter, format!("no actix system on this thread: join {place}"));
    assert_eq!(consumer, JoinError::NoArbiter);
}

#[test]
#[should_panic = "no actix system on this thread: start actors under #[actix::main], #[convoke::test] or inside System::new().block_on(…)"]
fn starting_a_broker_outside_a_system_panics_as_actix_does() {
    let _ = Broker::<u32>::new(SECOND).start();
}

#[convoke::test]
async fn an_emitters_own_deadline_of_zero() {
    let broker = Broker::<u32>::new(SECOND).start();
    let error = Emitter::join(&broker, Emitter::new("never").deadline(ZERO)).await.unwrap_err();
    assert_eq!(error, JoinError::Config(ConfigError::ZeroTimeout));
    let error = broker.enlist(EmitterSpec::new("never").deadline(ZERO)).await.unwrap_err();
    assert_eq!(error.to_string(), "a timeout of zero leaves no time to answer: give a longer one");
}
