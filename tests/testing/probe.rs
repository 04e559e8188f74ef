//! `Probe`: an actor that notes what it is sent and answers as told; as emitter, consumer, listener and dependency.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{MailboxError, Message, Recipient};
use convoke::prelude::*;
use convoke::testing::{self, Probe, Promised};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{SECOND, after, at_once, join_all, ms, on_a_system, settled, sleep};

#[derive(Debug, PartialEq, Message)]
#[rtype(result = "()")]
struct Ship {
    order: u64,
}

#[derive(Debug, Message)]
#[rtype(result = "u64")]
struct PriceOf(u64);

/// Has no `Debug`.
#[derive(Message)]
#[rtype(result = "()")]
struct Silent;

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
struct UserRegistered {
    mail: String,
}

const fn ship(order: u64) -> Ship {
    Ship { order }
}

/// What a test of this kind says when it fails, without where in this file.
fn failure(test: impl AsyncFnOnce()) -> String {
    let run = catch_unwind(AssertUnwindSafe(|| testing::run("this test", || test())));
    let text = *run.expect_err("it passed").downcast::<String>().unwrap();
    let (place, text) = text.split_once(": ").unwrap();
    let line = place.strip_prefix(file!()).unwrap_or_else(|| panic!("{place} is not in {}", file!()));
    assert_eq!(line.split(':').count(), 3, "{place}");
    text.to_owned()
}

// What it is sent.

#[convoke::test]
async fn it_notes_what_it_is_sent_in_its_order() {
    let probe = Probe::<Ship>::new().start();
    let (addr, recipient) = (probe.addr(), probe.recipient());
    addr.do_send(ship(1));
    recipient.do_send(ship(2));
    addr.send(ship(3)).await.unwrap();
    assert_eq!(at_once(probe.expect_msg()).await, ship(1));
    assert_eq!((probe.received(), probe.count()), (vec![ship(2), ship(3)], 3));
    assert!(probe.received().is_empty());
}

#[convoke::test]
async fn a_message_that_comes_later_is_waited_for() {
    let probe = Probe::<Ship>::new().start();
    let to = probe.recipient();
    testing::spawn(async move {
        for order in 1..=3 {
            sleep(SECOND).await;
            to.do_send(ship(order));
        }
    });
    assert_eq!(after(SECOND, probe.expect_msg()).await, ship(1));
    assert_eq!(after(2 * SECOND, probe.expect_msg_where(|ship| ship.order == 3)).await, ship(3));
    assert_eq!(at_once(probe.expect_msg()).await, ship(2), "what was not wanted is left");
}

#[convoke::test]
async fn a_message_in_the_last_moment_is_in_time() {
    let probe = Probe::<Ship>::new().timeout(SECOND).start();
    let to = probe.recipient();
    testing::spawn(async move {
        sleep(SECOND).await;
        to.do_send(ship(1));
    });
    assert_eq!(after(SECOND, probe.expect_msg()).await, ship(1));
}

#[convoke::test]
async fn it_answers_as_it_is_told_and_nothing_otherwise() {
    let mut asked = 0;
    let answer = move |price: &PriceOf| {
        asked += 1;
        price.0 * 10 + asked
    };
    let probe = Probe::<PriceOf>::new().answering(answer).start();
    assert_eq!(probe.addr().send(PriceOf(7)).await, Ok(71));
    assert_eq!(probe.recipient().send(PriceOf(7)).await, Ok(72));
    assert_eq!(probe.received().len(), 2);

    // Nothing is told: `()` and `Ok(())` are answered, and a number cannot be.
    assert_eq!(Probe::<Ship>::new().start().addr().send(ship(1)).await, Ok(()));
    let heard = Heard::by_hand(OrderPlaced { id: 7 });
    assert!(Probe::new().start().addr().send(heard).await.unwrap().is_ok());
    let untold = Probe::<PriceOf>::new().start();
    assert_eq!(untold.addr().send(PriceOf(7)).await, Err(MailboxError::Closed));
    assert_eq!(at_once(untold.expect_msg()).await.0, 7);
}

#[convoke::test]
async fn messages_come_in_order_by_value_or_by_condition() {
    let probe = Probe::<Ship>::new().start();
    let to = probe.addr();
    testing::spawn(async move {
        for order in 1..=5 {
            sleep(SECOND).await;
            to.do_send(ship(order));
        }
    });
    let came = after(2 * SECOND, probe.expect_in_order([ship(1), ship(2)])).await;
    assert_eq!(came, [ship(1), ship(2)]);
    let conditions = [|ship: &Ship| ship.order == 3, |ship: &Ship| ship.order == 4];
    after(2 * SECOND, probe.expect_in_order(conditions)).await;
    let least = 5;
    let condition: Box<dyn Fn(&Ship) -> bool> = Box::new(move |ship| ship.order >= least);
    after(SECOND, probe.expect_in_order([condition])).await;
    let nothing: [Ship; 0] = [];
    at_once(probe.expect_in_order(nothing)).await;
}

#[convoke::test]
async fn no_message_means_none_that_is_left_and_none_that_comes() {
    let probe = Probe::<Ship>::new().start();
    after(SECOND, probe.expect_no_msg(SECOND)).await;
    probe.addr().do_send(ship(1));
    at_once(probe.expect_msg()).await;
    after(SECOND, probe.expect_no_msg(SECOND)).await;
}

#[convoke::test]
async fn it_keeps_so_many_messages() {
    let probe = Probe::<Ship>::new().keeping(2).start();
    (1..=4).for_each(|order| probe.addr().do_send(ship(order)));
    settled().await;
    assert_eq!((probe.received(), probe.count()), (vec![ship(3), ship(4)], 4));
}

// What it says.

#[test]
fn what_does_not_come_is_said_with_what_has() {
    let nothing = failure(async || _ = Probe::<Ship>::new().start().expect_msg().await);
    assert_eq!(nothing, "no message came within 5s\nnothing has come to the probe of `Ship`");

    let taken = failure(async || {
        let probe = Probe::<Ship>::new().timeout(SECOND).start();
        probe.addr().do_send(ship(1));
        sleep(ms(1500)).await;
        probe.addr().do_send(ship(2));
        probe.expect_msg().await;
        probe.expect_msg_where(|ship| ship.order == 3).await;
    });
    assert_eq!(
        taken,
        "no message came of which the condition is true within 1s\n\
         what has come to the probe of `Ship`:\n\
         \x20 #1 after 0ns Ship { order: 1 }  <- taken\n\
         \x20 #2 after 1.5s Ship { order: 2 }"
    );
}

#[test]
fn another_order_is_said() {
    let other = failure(async || {
        let probe = Probe::<Ship>::new().start();
        [1, 3, 2].into_iter().for_each(|order| probe.addr().do_send(ship(order)));
        probe.expect_in_order([ship(1), ship(2), ship(3)]).await;
    });
    assert_eq!(
        other,
        "message 2 of 3 is not Ship { order: 2 }\n\
         what has come to the probe of `Ship`:\n\
         \x20 #1 after 0ns Ship { order: 1 }  <- taken\n\
         \x20 #2 after 0ns Ship { order: 3 }  <- this one\n\
         \x20 #3 after 0ns Ship { order: 2 }"
    );
    let missing = failure(async || {
        let probe = Probe::<Ship>::new().timeout(SECOND).start();
        probe.addr().do_send(ship(1));
        probe.expect_in_order([|ship: &Ship| ship.order == 1, |ship: &Ship| ship.order == 2]).await;
    });
    assert_eq!(
        missing,
        "message 2 of 2 did not come within 1s: what its condition says\n\
         what has come to the probe of `Ship`:\n\
         \x20 #1 after 0ns Ship { order: 1 }  <- taken"
    );
}

#[test]
fn what_was_not_to_come_is_said() {
    let came = failure(async || {
        let probe = Probe::<Ship>::new().start();
        let to = probe.addr();
        testing::spawn(async move {
            sleep(ms(200)).await;
            to.do_send(ship(7));
        });
        probe.expect_no_msg(SECOND).await;
    });
    assert_eq!(
        came,
        "a message came, and none was to come for 1s\n\
         what has come to the probe of `Ship`:\n\
         \x20 #1 after 200ms Ship { order: 7 }  <- this was not to come"
    );
}

#[test]
fn a_list_is_short_and_hides_personal_data() {
    let long = failure(async || {
        let probe = Probe::<Heard<UserRegistered>>::new().start();
        for _ in 0..22 {
            let mail = "ada@example.org".to_owned();
            probe.addr().do_send(Heard::by_hand(UserRegistered { mail }));
        }
        settled().await;
        assert_eq!(probe.received()[0].mail, "ada@example.org");
        probe.expect_msg().await;
    });
    let lines: Vec<_> = long.lines().collect();
    assert_eq!(lines.len(), 23, "{long}");
    assert_eq!(
        lines[..4],
        [
            "no message came within 5s",
            "what has come to the probe of `Heard<UserRegistered>`:",
            "  … 2 before them",
            "  #3 after 0ns Heard(\"(hidden: personal data)\")  <- taken",
        ]
    );

    let silent = failure(async || {
        let probe = Probe::<Silent>::opaque().start();
        probe.addr().do_send(Silent);
        probe.expect_no_msg(SECOND).await;
    });
    assert!(silent.ends_with("\n  #1 after 0ns (without `Debug`)  <- this was not to come"), "{silent}");
}

#[test]
fn an_assertion_in_the_answer_fails_the_test() {
    let asserted = failure(async || {
        let answer = |price: &PriceOf| {
            assert_eq!(price.0, 8, "the price of another");
            1
        };
        let probe = Probe::<PriceOf>::new().answering(answer).start();
        assert_eq!(probe.addr().send(PriceOf(7)).await, Err(MailboxError::Closed));
        at_once(probe.expect_msg_where(|price| price.0 == 8)).await;
    });
    assert_eq!(
        asserted,
        "the probe's answer panicked: assertion `left == right` failed: the price of another\n  \
         left: 7\n right: 8\n\
         what has come to the probe of `PriceOf`:\n\
         \x20 #1 after 0ns PriceOf(7)"
    );
}

#[test]
fn a_probe_that_is_held_is_left_behind_and_named() {
    let run = catch_unwind(AssertUnwindSafe(|| {
        testing::run("this test", async || {
            let probe = Probe::<Summons<u32>>::new().start();
            std::mem::forget(probe.addr());
        })
    }));
    let text = *run.unwrap_err().downcast::<String>().unwrap();
    assert!(text.starts_with("this test left behind: the probe of `Summons<u32>`; "), "{text}");
}

// What it may stand for.

#[convoke::test]
async fn as_an_emitter_of_a_round_it_has_the_pledge_for_the_test_to_keep() {
    let broker = Broker::new(SECOND).start();
    let [buyer] = join_all(&broker, ["buyer"]).await;
    let stock = Probe::<Summons<u32>>::new().start();
    let _member = broker.add_emitter("stock", stock.recipient()).await.unwrap();
    let (outcome, ()) = tokio::join!(buyer.emit(1), async {
        let Summons { pledge } = stock.expect_msg().await;
        sleep(ms(300)).await;
        pledge.keep(3);
    });
    assert_eq!(outcome.unwrap().to_string(), "round #1 resolved after 300ms with 2 signals");

    let (outcome, ()) = tokio::join!(buyer.emit(1), async { stock.expect_msg().await.pledge.veto("sold out") });
    assert_eq!(outcome.unwrap().to_string(), "round #2 cancelled after 0ns: vetoed by stock: sold out");
    // What the test does not take, it does not keep.
    let outcome = after(SECOND, buyer.emit(1)).await.unwrap();
    assert_eq!(outcome.to_string(), "round #3 cancelled after 1s: timed out; missing stock");
}

#[convoke::test]
async fn as_an_emitter_it_may_keep_every_pledge_itself() {
    let broker = Broker::new(SECOND).start();
    let [buyer] = join_all(&broker, ["buyer"]).await;
    let stock = Probe::<Summons<u32>>::new().taking(|summons| summons.pledge.keep(3)).start();
    let _member = broker.add_emitter("stock", stock.recipient()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(at_once(buyer.emit(1)).await.unwrap().payloads(), [1, 3]);
    }
    assert_eq!((stock.count(), stock.received().len()), (3, 0));
}

#[convoke::test]
async fn as_a_consumer_of_a_round_it_hears_the_outcome() {
    convoke::testing::expect_failure("log");
    let broker = Broker::new(SECOND).start();
    let [buyer, stock] = join_all(&broker, ["buyer", "stock"]).await;
    let ship = Probe::<Resolved<u32>>::new().start();
    let log = Probe::<Outcome<u32>>::new().answering(|_| Err(Failure::new("no paper"))).start();
    let _shipping = broker.add_consumer("ship", ship.recipient()).await.unwrap();
    let _logging = broker.add_consumer("log", log.recipient()).await.unwrap();

    let (outcome, _) = tokio::join!(buyer.emit(1), stock.emit(2));
    assert_eq!(at_once(ship.expect_msg()).await.payloads(), [1, 2]);
    assert!(at_once(log.expect_msg()).await.is_resolved());
    assert_eq!(outcome.unwrap().consumed().await.failed[0].to_string(), "consumer `log` failed: no paper");

    stock.do_emit(2).unwrap();
    at_once(buyer.veto("changed my mind")).await.unwrap();
    assert!(at_once(log.expect_msg()).await.is_cancelled());
    after(SECOND, ship.expect_no_msg(SECOND)).await;
}

#[convoke::test]
async fn as_a_listener_it_hears_events_by_its_recipient() {
    let bus = EventBus::default();
    let probe = Probe::<Heard<OrderPlaced>>::new().start();
    let fails = Probe::<Heard<OrderPlaced>>::new().answering(|order| match order.id {
        7 => Err(Failure::new("not on a Sunday")),
        _ => Ok(()),
    });
    let fails = fails.start();
    let json = Probe::<Heard<JsonEvent>>::new().start();
    let _guards = [
        bus.on(probe.recipient()).unwrap(),
        bus.on(fails.recipient().named("fails")).unwrap(),
        bus.on_topic("orders/*", json.recipient()).unwrap(),
    ];
    let report = at_once(bus.emit(OrderPlaced { id: 7 })).await;
    assert_eq!(report.to_string(), "OrderPlaced: 3 listeners, 1 failed: `fails` failed: not on a Sunday");
    bus.publish_json("orders/placed", json!({ "id": 8 })).unwrap();
    let conditions = [|order: &Heard<OrderPlaced>| order.id == 7, |order: &Heard<OrderPlaced>| order.id == 8];
    at_once(probe.expect_in_order(conditions)).await;
    assert_eq!(at_once(json.expect_msg()).await["id"], 7);
    assert_eq!(at_once(json.expect_msg()).await.metadata().event, *"orders/placed");
    assert_eq!(fails.count(), 2);
}

#[convoke::test]
async fn as_a_subscriber_it_hears_events_from_within() {
    let bus = EventBus::default();
    let probe = Probe::<Heard<OrderPlaced>>::new().subscribe(&bus).unwrap();
    let topics = Probe::<Heard<JsonEvent>>::new().subscribe_topic("orders/*", &bus).unwrap();
    assert_eq!(bus.subscriptions().len(), 2);
    let report = at_once(bus.emit(OrderPlaced { id: 7 })).await;
    assert_eq!(report.to_string(), "OrderPlaced: 2 listeners, 0 failed");
    assert_eq!(at_once(probe.expect_msg()).await.id, 7);
    assert_eq!(at_once(topics.expect_msg()).await["id"], 7);
    assert!(Probe::<Heard<JsonEvent>>::new().subscribe_topic("orders/", &bus).is_err());
    drop((probe, topics));
    settled().await;
    assert!(bus.subscriptions().is_empty());
}

#[convoke::test]
async fn as_a_dependency_it_is_what_a_listener_sends_to() {
    async fn ship_it(order: Arc<OrderPlaced>, harbor: Inject<Recipient<Ship>>) -> Result<(), MailboxError> {
        harbor.send(Ship { order: order.id }).await
    }

    let harbor = Probe::<Ship>::new().start();
    let bus = EventBus::builder().provide(harbor.recipient()).build();
    let _ship = bus.on(ship_it).unwrap();
    at_once(bus.emit(OrderPlaced { id: 7 })).await.ok().unwrap();
    assert_eq!(harbor.received(), [ship(7)]);
}

#[test]
fn it_works_in_real_time_and_hears_other_threads() {
    on_a_system(async {
        let probe = Probe::<Ship>::new().timeout(60 * SECOND).start();
        let to = probe.recipient();
        std::thread::spawn(move || (1..=3).for_each(|order| to.do_send(ship(order))));
        probe.expect_in_order([ship(1), ship(2), ship(3)]).await;
        probe.expect_no_msg(Duration::ZERO).await;
    });
}

#[convoke::test(seeds = 200)]
async fn under_every_seed_one_sender_is_heard_in_its_order() {
    let probe = Probe::<Ship>::new().start();
    for sender in [10, 20] {
        let to = probe.recipient();
        testing::spawn(async move {
            to.send(ship(sender + 1)).await.unwrap();
            to.send(ship(sender + 2)).await.unwrap();
        });
    }
    for sender in [10, 20] {
        let first = probe.expect_msg_where(|ship| ship.order / 10 * 10 == sender).await;
        let second = probe.expect_msg_where(|ship| ship.order / 10 * 10 == sender).await;
        assert_eq!((first, second), (ship(sender + 1), ship(sender + 2)));
    }
}

// What a handler is given, by hand.

#[test]
fn a_summons_by_hand_tells_what_became_of_its_pledge() {
    testing::run("by hand", async || {
        let (summons, promise) = Summons::by_hand();
        assert_eq!((summons.pledge.round().get(), summons.pledge.key(), summons.pledge.left()), (1, None, 60 * SECOND));
        assert_eq!(promise.take(), None);
        summons.pledge.keep(3);
        assert_eq!((promise.take(), promise.take()), (Some(Promised::Kept(3)), None));

        let (summons, promise) = Summons::<u32>::by_hand_for("order 7");
        assert_eq!(summons.pledge.key(), Some(&"order 7".into()));
        summons.pledge.veto("sold out");
        assert_eq!(promise.take(), Some(Promised::Vetoed("sold out".into())));

        let (summons, promise) = Summons::<u32>::by_hand();
        drop(summons);
        assert_eq!(promise.take(), Some(Promised::Lost));

        let (summons, promise) = Summons::by_hand();
        let waits = summons.pledge.keep_and_wait(4);
        assert_eq!(promise.take(), Some(Promised::Kept(4)));
        assert!(matches!(at_once(waits).await, Err(EmitError::BrokerGone)));
    });
}

#[convoke::test]
async fn an_outcome_by_hand_reads_as_one_of_a_round() {
    let round = Resolved::by_hand([("stock", 3), ("payment", 1), ("stock", 4)]);
    assert_eq!(round.payloads(), [3, 1, 4]);
    assert_eq!(
        round.signals().map(|signal| signal.emitter.name.to_string()).collect::<Vec<_>>(),
        ["stock", "payment", "stock"]
    );
    assert_eq!(round.to_string(), "round #1 resolved after 0ns with 3 signals");
    assert!(at_once(Outcome::Resolved(round).consumed()).await.is_ok());

    let lost = convoke::EmitterRef { id: convoke::EmitterId::new(), name: "payment".into() };
    let vetoed = Cause::Vetoed { by: lost.clone(), reason: "no money".into() };
    let stock = convoke::EmitterRef { id: convoke::EmitterId::new(), name: "stock".into() };
    let tolerated = convoke::Vetoed { by: stock, reason: "sold out".into() };
    for (cause, text) in [
        (Cause::TimedOut { missing: vec!["stock".into(), "payment".into()] }, "timed out; missing stock, payment"),
        (
            Cause::Idle { missing: vec!["stock".into(), "payment".into()] },
            "no signal came for the idle timeout; missing stock, payment",
        ),
        (Cause::Lost(lost), "lost payment; missing stock, payment"),
        (vetoed, "vetoed by payment: no money; missing stock, payment"),
        (
            Cause::OutOfReach { missing: vec!["stock".into(), "payment".into()], vetoes: Vec::new() },
            "whoever was left could not release it; missing stock, payment",
        ),
        (
            Cause::OutOfReach { missing: vec!["stock".into(), "payment".into()], vetoes: vec![tolerated] },
            "whoever was left could not release it; missing stock, payment; vetoed by stock: sold out",
        ),
        (Cause::Aborted("closed".into()), "aborted: closed; missing stock, payment"),
        (Cause::BrokerStopped, "the broker stopped; missing stock, payment"),
        (Cause::SessionLost, "the session was lost; missing stock, payment"),
    ] {
        let round = Cancelled::<u32>::by_hand(cause.clone(), ["stock", "payment"]);
        assert_eq!(round.cause(), cause);
        assert_eq!(round.to_string(), format!("round #1 cancelled after 0ns: {text}"));
    }
}
