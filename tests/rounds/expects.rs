//! Parties that are named at the broker: a round does not go without them, whether they are late, lost or never there.

use actix::Addr;
use convoke::prelude::*;
use convoke::{ConfigError, Inspect};
use uuid::Uuid;

use crate::common::{
    SECOND, after, assert_lost, at_once, cause, in_a_process_of_its_own, join_all, kept_by, missing, ms, on_a_system,
    settled, sleep,
};

/// A broker that expects stock, payment and fraud check.
fn shop() -> Broker<u32> {
    Broker::new(SECOND).expects(["stock", "payment", "fraud check"])
}

fn no_member(names: &[&str]) -> Cause {
    Cause::NoMember(names.iter().map(|name| (*name).into()).collect())
}

/// The names that nobody bore.
fn unfilled(outcome: &Outcome<u32>) -> Vec<&str> {
    outcome.unfilled().iter().map(|name| &**name).collect()
}

/// An emitter that can come back: under its name's id.
async fn join_as(broker: &Addr<Broker<u32>>, name: &str, id: u128) -> Result<EmitterHandle<u32>, JoinError> {
    Emitter::join(broker, Emitter::new(name).with_id(Uuid::from_u128(id))).await
}

#[convoke::test]
async fn a_name_that_nobody_bears_owes_until_the_deadline_and_is_named() {
    let broker = shop().start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    stock.do_emit(1).unwrap();
    let outcome = after(SECOND, payment.emit(2)).await.unwrap();
    assert_eq!(cause(&outcome), no_member(&["fraud check"]));
    assert_eq!((kept_by(&outcome), missing(&outcome)), (vec!["stock", "payment"], vec![]));
    assert_eq!(unfilled(&outcome), ["fraud check"]);
    assert_eq!(outcome.to_string(), "round #1 cancelled after 1s: no member named fraud check");
}

#[convoke::test]
async fn beside_a_name_that_nobody_bears_those_are_named_who_did_not_answer() {
    let broker = shop().start();
    let [stock, _payment] = join_all(&broker, ["stock", "payment"]).await;
    let outcome = after(SECOND, stock.emit(1)).await.unwrap();
    let text = "round #1 cancelled after 1s: no member named fraud check; missing payment";
    assert_eq!((outcome.to_string().as_str(), missing(&outcome)), (text, vec!["payment"]));
    // Time was over, so that it has missed the round.
    let stats = broker.inspect().await.unwrap().emitters;
    assert_eq!(stats.iter().map(|it| (&*it.name, it.missed)).collect::<Vec<_>>(), [("stock", 0), ("payment", 1)]);
}

#[convoke::test]
async fn it_is_cancelled_at_once_where_nobody_can_join_the_round() {
    for late_join in [LateJoin::NextRound, LateJoin::Rejected] {
        let broker = shop().late_join(late_join).start();
        let [stock, _payment] = join_all(&broker, ["stock", "payment"]).await;
        let outcome = at_once(stock.emit(1)).await.unwrap();
        assert_eq!(cause(&outcome), no_member(&["fraud check"]), "{late_join:?}");
        // Nobody's time was over.
        assert!(broker.inspect().await.unwrap().emitters.iter().all(|it| it.missed == 0));
    }
}

#[convoke::test]
async fn whoever_joins_in_time_fills_the_name_and_is_asked() {
    let broker = shop().start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    payment.do_emit(2).unwrap();
    let round = stock.emit(1);
    sleep(ms(400)).await;
    let fraud = Emitter::new("fraud check").on_summons(|pledge| pledge.keep(3));
    let _fraud = Emitter::join(&broker, fraud).await.unwrap();
    assert_eq!(at_once(round).await.unwrap().payloads(), [2, 1, 3]);
}

#[convoke::test]
async fn an_order_does_not_ship_when_the_fraud_check_has_crashed() {
    let broker = shop().start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    let fraud = Emitter::new("fraud check").on_summons(|pledge| {
        let order = pledge.key().cloned();
        pledge.keep(0);
        assert_ne!(order, Some(7.into()), "the fraud check crashes behind order 7");
    });
    let fraud = Emitter::join(&broker, fraud).await.unwrap().forever();
    for order in [6, 7] {
        payment.do_emit_for(order, 2).unwrap();
        assert!(at_once(stock.emit_for(order, 1)).await.unwrap().is_resolved());
    }
    settled().await;
    assert!(!fraud.connected());
    payment.do_emit_for(8, 2).unwrap();
    let outcome = after(SECOND, stock.emit_for(8, 1)).await.unwrap();
    assert_eq!(cause(&outcome), no_member(&["fraud check"]));
}

#[convoke::test]
async fn who_is_lost_is_told_once_and_a_name_that_nobody_bears_beside_it() {
    for (names, text) in [
        (vec!["stock", "payment"], "round #1 cancelled after 0ns: lost payment"),
        (vec!["stock", "payment", "shop"], "round #1 cancelled after 0ns: lost payment; no member named shop"),
    ] {
        let broker = Broker::new(SECOND).expects(names).start();
        let stock = Emitter::join(&broker, "stock").await.unwrap();
        let payment = Emitter::new("payment").on_summons(|_| panic!("it crashes in the round"));
        let _payment = Emitter::join(&broker, payment).await.unwrap();
        assert_eq!(at_once(stock.emit(1)).await.unwrap().to_string(), text);
    }
}

#[convoke::test]
async fn without_names_a_round_goes_on_without_who_is_gone() {
    let broker = Broker::new(SECOND).start();
    let [stock, fraud] = join_all(&broker, ["stock", "fraud check"]).await;
    drop(fraud);
    assert!(at_once(stock.emit(1)).await.unwrap().is_resolved());
}

#[convoke::test]
async fn one_that_was_borne_and_is_lost_follows_the_policy() {
    for on_lost in [OnLost::Cancel, OnLost::Shrink, OnLost::Wait] {
        let broker = Broker::new(SECOND).expects(["stock", "payment"]).on_lost(on_lost).start();
        let [stock] = join_all(&broker, ["stock"]).await;
        let payment = join_as(&broker, "payment", 7).await.unwrap();
        let round = stock.emit(1);
        settled().await;
        drop(payment);
        match on_lost {
            OnLost::Cancel => assert_lost(&at_once(round).await.unwrap(), "payment"),
            OnLost::Shrink => assert!(at_once(round).await.unwrap().is_resolved()),
            OnLost::Wait => {
                settled().await;
                let payment = join_as(&broker, "payment", 7).await.unwrap();
                payment.do_emit(2).unwrap();
                assert_eq!(at_once(round).await.unwrap().payloads(), [1, 2]);
            }
        }
        // The next round has not lost it, but has nobody of that name.
        if on_lost != OnLost::Wait {
            assert_eq!(cause(&after(SECOND, stock.emit(1)).await.unwrap()), no_member(&["payment"]));
        }
    }
}

#[convoke::test]
async fn a_name_whose_bearer_has_left_is_borne_by_nobody() {
    let broker = Broker::new(SECOND).expects(["stock", "payment"]).start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    let round = stock.emit(1);
    settled().await;
    payment.leave();
    assert_eq!(cause(&after(SECOND, round).await.unwrap()), no_member(&["payment"]));

    // Another may take its place.
    let [payment] = join_all(&broker, ["payment"]).await;
    let round = stock.emit(1);
    settled().await;
    payment.leave();
    settled().await;
    let [other] = join_all(&broker, ["payment"]).await;
    other.do_emit(2).unwrap();
    assert_eq!(at_once(round).await.unwrap().payloads(), [1, 2]);
}

#[convoke::test]
async fn it_holds_for_the_round_of_every_key() {
    let broker = Broker::new(SECOND).expects(["stock", "payment"]).start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    let resolved = payment.emit_for("a", 1);
    stock.do_emit_for("a", 1).unwrap();
    assert!(at_once(resolved).await.unwrap().is_resolved());
    payment.leave();
    let rounds = ["a", "b"].map(|key| stock.emit_for(key, 1));
    sleep(SECOND).await;
    for round in rounds {
        assert_eq!(cause(&at_once(round).await.unwrap()), no_member(&["payment"]));
    }
}

#[convoke::test]
async fn who_joins_under_another_name_takes_part_as_well() {
    let broker = Broker::new(SECOND).expects(["stock"]).start();
    let [stock, audit] = join_all(&broker, ["stock", "audit"]).await;
    let round = stock.emit(1);
    settled().await;
    audit.do_emit(2).unwrap();
    assert_eq!(kept_by(&at_once(round).await.unwrap()), ["stock", "audit"]);
    assert_eq!(missing(&after(SECOND, stock.emit(1)).await.unwrap()), ["audit"]);
}

#[convoke::test]
async fn a_snapshot_tells_the_names_that_nobody_bears() {
    let broker = shop().start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    stock.do_emit(1).unwrap();
    settled().await;
    let open = broker.send(Inspect).await.unwrap().open.remove(0);
    assert_eq!((open.unfilled, open.waits_for[0].name.as_ref()), (vec!["fraud check".into()], "payment"));
    drop(payment);
}

// A name that several bear.

#[convoke::test]
async fn of_several_that_bear_a_name_the_first_signal_counts_and_the_others_are_repeats() {
    for repeat in [RepeatEmit::Rejected, RepeatEmit::Replaces, RepeatEmit::NextRound] {
        let broker = Broker::new(SECOND).expects(["stock", "payment"]).repeat_emit(repeat).start();
        let [stock, one, two] = join_all(&broker, ["stock", "payment", "payment"]).await;
        one.do_emit(1).unwrap();
        settled().await;
        let second = two.emit(2);
        settled().await;
        let first = at_once(stock.emit(3)).await.unwrap();
        match repeat {
            RepeatEmit::Rejected => {
                assert_eq!(at_once(second).await.unwrap_err(), EmitError::AlreadyKept { round: first.round() });
            }
            RepeatEmit::Replaces => {
                assert_eq!((first.payloads(), at_once(second).await.unwrap().payloads()), (&[2, 3][..], &[2, 3][..]))
            }
            RepeatEmit::NextRound => {
                stock.do_emit(4).unwrap();
                assert_eq!(at_once(second).await.unwrap().payloads(), [2, 4]);
            }
        }
        assert_eq!(first.signals().len(), 2);
        assert_eq!(missing(&first), [""; 0]);
    }
}

#[convoke::test]
async fn a_name_is_lost_with_the_last_that_bears_it() {
    let broker = Broker::new(SECOND).expects(["stock", "payment"]).start();
    let [stock, one, two] = join_all(&broker, ["stock", "payment", "payment"]).await;
    let round = stock.emit(1);
    settled().await;
    drop(one);
    sleep(ms(100)).await;
    drop(two);
    assert_lost(&at_once(round).await.unwrap(), "payment");
}

#[convoke::test]
async fn a_service_may_come_back_before_its_old_guard_is_gone() {
    let broker = Broker::new(SECOND).expects(["stock", "payment"]).start();
    let [stock, old] = join_all(&broker, ["stock", "payment"]).await;
    let round = stock.emit(1);
    settled().await;
    let [new] = join_all(&broker, ["payment"]).await;
    drop(old);
    settled().await;
    new.do_emit(2).unwrap();
    let outcome = at_once(round).await.unwrap();
    assert_eq!((outcome.payloads(), missing(&outcome)), (&[1, 2][..], vec![]));
}

#[convoke::test]
async fn unique_names_make_the_second_of_a_name_an_error() {
    let broker = Broker::<u32>::new(SECOND).unique_names().start();
    let [stock, _payment] = join_all(&broker, ["stock", "payment"]).await;
    let error = Emitter::join(&broker, "stock").await.unwrap_err();
    assert_eq!(error, JoinError::DuplicateName { name: "stock".into() });
    let text = "the name `stock` is borne by another emitter of this broker: give another, or leave `unique_names` out";
    assert_eq!(error.to_string(), text);
    // Free again, though its farewell may still be on its way.
    drop(stock);
    let [_stock] = join_all(&broker, ["stock"]).await;
}

// Beside another release.

#[convoke::test]
async fn under_at_least_and_a_predicate_names_say_who_is_missing() {
    for release in [Release::at_least(2), Release::when(|gathered| gathered.owing() == 1)] {
        let broker = shop().release(release).start();
        let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
        stock.do_emit(1).unwrap();
        let outcome = at_once(payment.emit(2)).await.unwrap();
        assert!(outcome.is_resolved(), "{outcome}");
        assert_eq!(unfilled(&outcome), ["fraud check"]);
    }
    let broker = shop().release(Release::at_least(3)).start();
    let [stock, _payment] = join_all(&broker, ["stock", "payment"]).await;
    let text = "round #1 cancelled after 1s: timed out with 1 of the 3 signals it needs; missing payment; \
                no member named fraud check";
    assert_eq!(after(SECOND, stock.emit(1)).await.unwrap().to_string(), text);
}

#[convoke::test]
async fn several_of_a_name_count_once_for_a_quorum() {
    let broker = Broker::new(SECOND).expects(["stock", "payment"]).release(Release::at_least(2)).start();
    let [one, two, payment] = join_all(&broker, ["stock", "stock", "payment"]).await;
    one.do_emit(1).unwrap();
    settled().await;
    assert!(matches!(at_once(two.emit(2)).await, Err(EmitError::AlreadyKept { .. })));
    assert_eq!(at_once(payment.emit(3)).await.unwrap().payloads(), [1, 3]);
}

#[convoke::test]
async fn deliver_partial_tells_the_name_that_nobody_bore() {
    let broker = shop().on_timeout(OnTimeout::DeliverPartial).start();
    let [stock] = join_all(&broker, ["stock"]).await;
    let outcome = after(SECOND, stock.emit(1)).await.unwrap();
    let text = "round #1 resolved after 1s with 1 signal, partial: no member named payment, fraud check";
    assert_eq!(outcome.to_string(), text);
}

#[convoke::test]
async fn empty_and_doubled_names_are_an_error() {
    let none: [&str; 0] = [];
    for (broker, error) in [
        (Broker::<u32>::new(SECOND).expects(none), ConfigError::NothingExpected),
        (Broker::new(SECOND).expects(["stock", ""]), ConfigError::EmptyName),
        (Broker::new(SECOND).expects(["stock", "payment", "stock"]), ConfigError::DoubledName),
    ] {
        assert_eq!(broker.try_start().unwrap_err(), BrokerError::Config(error));
    }
    let broker = Broker::<u32>::new(SECOND).expects(["stock", "stock"]).start();
    assert_eq!(Emitter::join(&broker, "stock").await.unwrap_err(), JoinError::Config(ConfigError::DoubledName));
}

/// What the log of brokers says, line by line.
struct Lines(std::sync::Mutex<Vec<String>>);

static LINES: Lines = Lines(std::sync::Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "convoke::broker" && record.level() == log::Level::Warn {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_member_that_nobody_has_named_and_that_is_gone_is_a_warning_in_the_log() {
    in_a_process_of_its_own(
        "rounds::expects::a_member_that_nobody_has_named_and_that_is_gone_is_a_warning_in_the_log",
        || {
            log::set_logger(&LINES).unwrap();
            log::set_max_level(log::LevelFilter::Warn);
            on_a_system(async {
                let orders = Broker::<u32>::new(SECOND).named("orders").expects(["payment"]).start();
                let any = Broker::<u32>::new(SECOND).named("any").release(Release::at_least(1)).start();
                let [stock, payment, log] = join_all(&orders, ["stock", "payment", "log"]).await;
                let [other] = join_all(&any, ["stock"]).await;
                drop((payment, stock, other));
                log.leave();
                settled().await;
                drop((orders.inspect().await, any.inspect().await));
            });
            let text = "broker orders: `stock` is lost, and the rounds that open from now on do without it: name it with \
                        `expects` if they must not";
            assert_eq!(*LINES.0.lock().unwrap(), [text]);
        },
    );
}
