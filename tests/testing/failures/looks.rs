//! Whoever looks at a failure has looked at that one, as often as it is, and at no other that is like it.

use std::cell::Cell;
use std::rc::Rc;

use convoke::prelude::*;
use convoke::testing::{EventSynchronizer, Probe};
use convoke::{AskError, Report};

use super::{Look, ORDER, OrderPlaced, end_of, red_until};
use crate::common::SECOND;

fn mail_fails(bus: &EventBus) -> Subscription {
    bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap()
}

/// Two emissions that fail alike, of which one report is looked at.
fn one_of_two(look: impl Fn(Report)) -> String {
    let end = end_of(async |bus| {
        let _mail = mail_fails(&bus);
        drop(bus.emit(ORDER).await);
        look(bus.emit(ORDER).await);
    });
    end.unwrap_err()
}

#[test]
fn to_look_twice_at_one_report_is_no_look_at_another() {
    let looks: [(_, Look<Report>); 5] = [
        ("shown, which names the failures and counts them", |report| drop(report.to_string())),
        ("shown for debugging", |report| drop(format!("{report:?}"))),
        ("asked twice", |report| assert!(!report.is_ok() && report.ok().is_err())),
        ("gone through twice", |report| assert_eq!(report.failed().count() + report.iter().count(), 2)),
        ("a clone of it", |report| assert_eq!(report.clone().failed().count() + report.failed().count(), 2)),
    ];
    for (how, look) in looks {
        let end = one_of_two(look);
        let times = end.matches("`mail` on OrderPlaced: failed: no address").count();
        assert_eq!(times, 1, "{how}: {end}");
    }
}

#[test]
fn a_report_and_a_letter_of_the_same_text_are_two_failures() {
    let both = async |bus: EventBus| {
        let _mail = mail_fails(&bus);
        bus.publish(ORDER).unwrap();
        bus.drain().await;
        assert!(bus.emit(ORDER).await.ok().is_err());
        // The first was published: whoever reads its letter has read both.
        assert!(bus.dead_letters().take(1).is_some());
    };
    assert_eq!(end_of(both), Ok(()));
}

#[test]
fn to_wait_twice_for_the_consumers_of_a_round_is_no_look_at_another() {
    let end = end_of(async |_| {
        let broker = Broker::new(SECOND).start();
        let stock = Emitter::join(&broker, "stock").await.unwrap();
        let shipping = Consumer::new(|_: Resolved<u32>| Err::<(), _>("no van")).named("shipping");
        let _shipping = Consumer::join(&broker, shipping).await.unwrap();
        drop(stock.emit(1).await.unwrap());
        let outcome = stock.emit(2).await.unwrap();
        let (once, twice) = (outcome.consumed().await, outcome.consumed().await);
        assert_eq!((once.failed.len(), twice.failed.len()), (1, 1));
    });
    assert!(end.unwrap_err().contains("`shipping` on a round: failed: no van"));
}

#[test]
fn what_was_nested_too_deep_is_looked_at_by_its_report() {
    let chain = async |bus: &EventBus, look: fn(Report)| {
        let again = async move |order: std::sync::Arc<OrderPlaced>, bus: EventBus| {
            look(bus.emit(OrderPlaced { id: order.id + 1 }).await);
        };
        let _again = bus.on(again.named("again").concurrency(9)).unwrap();
        bus.emit(ORDER).await.ok().unwrap();
    };
    let shallow = || EventBus::builder().max_depth(3).build();
    let end = end_of(async |_| chain(&shallow(), drop).await).unwrap_err();
    assert!(end.contains("OrderPlaced: events have caused each other 3 deep"), "{end}");
    let looks: [fn(Report); 4] = [
        |report| drop(report.ok()),
        |report| assert!(!report.is_ok()),
        |report| drop(report.too_deep().cloned()),
        |report| drop(report.to_string()),
    ];
    for look in looks {
        assert_eq!(end_of(async |_| chain(&shallow(), look).await), Ok(()));
    }
    // Nobody was called, and so nobody has failed: who reads that has not read why.
    let end = end_of(async |_| chain(&shallow(), |report| assert_eq!(report.failed().count(), 0)).await);
    assert!(end.is_err());
}

#[test]
fn a_question_that_fails_is_looked_at_by_its_error() {
    let ask = async |bus: EventBus, look: fn(AskError)| {
        let _answer = bus.answer(|_: &OrderPlaced| Err::<u32, _>("no price")).unwrap();
        look(bus.request::<u32>(ORDER).await.unwrap_err());
    };
    assert!(end_of(async |bus| ask(bus, drop).await).is_err());
    assert_eq!(end_of(async |bus| ask(bus, |error| drop(error.to_string())).await), Ok(()));
}

#[test]
fn a_test_that_waits_for_a_letter_looks_at_it() {
    let run = async |bus: EventBus, waits: bool| {
        let mut sync = EventSynchronizer::new(&bus);
        let _mail = mail_fails(&bus);
        bus.publish(ORDER).unwrap();
        bus.drain().await;
        if waits {
            assert_eq!(sync.wait_for::<DeadLetter>().await.unwrap().event, "OrderPlaced");
        }
    };
    red_until(
        "`mail` on OrderPlaced: failed: no address",
        async |bus| run(bus, false).await,
        async |bus| run(bus, true).await,
    );
    let probed = async |bus: EventBus| {
        let probe = Probe::<Heard<DeadLetter>>::opaque().subscribe(&bus).unwrap();
        let _mail = mail_fails(&bus);
        bus.publish(ORDER).unwrap();
        assert_eq!(probe.expect_msg().await.event, "OrderPlaced");
    };
    assert_eq!(end_of(probed), Ok(()));
}

#[test]
fn one_letter_that_was_waited_for_is_no_look_at_the_next() {
    let end = end_of(async |bus| {
        let mut sync = EventSynchronizer::new(&bus);
        let _mail = mail_fails(&bus);
        bus.publish(ORDER).unwrap();
        bus.publish(ORDER).unwrap();
        sync.wait_for::<DeadLetter>().await.unwrap();
        bus.drain().await;
    });
    assert!(end.is_err());
}

/// Panics over the messages that it is sent.
#[derive(BaseService)]
#[service(name = "billing")]
struct Billing;

#[derive(actix::Message)]
#[rtype(result = "()")]
struct Panic;

impl actix::Handler<Panic> for Billing {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut actix::Context<Self>) {
        panic!("as told");
    }
}

#[test]
fn a_test_that_waits_for_a_status_looks_at_what_it_tells_of() {
    let run = async |bus: EventBus, state: Option<ServiceState>| {
        let mut sync = EventSynchronizer::new(&bus);
        let billing = Billing::supervised(&bus, |_| Billing).await.unwrap();
        billing.try_send(Panic).unwrap();
        crate::common::sleep(SECOND).await;
        if let Some(state) = state {
            sync.wait_for::<ServiceStatus>().when(move |status| status.state == state).await.unwrap();
        }
        drop(billing);
    };
    red_until(
        "`billing`: panicked: as told",
        async |bus| run(bus, None).await,
        async |bus| run(bus, Some(ServiceState::Restarting)).await,
    );
    let end = end_of(async |bus| run(bus, Some(ServiceState::Starting)).await);
    assert!(end.is_err(), "what it was before tells nothing of it");
}

#[test]
fn a_failure_that_a_redriven_letter_had_is_looked_at_by_redriving_it() {
    let end = end_of(async |bus| {
        let mended = Rc::new(Cell::new(false));
        let is_mended = mended.clone();
        let mail = move |_: &OrderPlaced| if is_mended.get() { Ok(()) } else { Err("no address") };
        let _mail = bus.on(mail.named("mail")).unwrap();
        bus.publish(ORDER).unwrap();
        bus.drain().await;
        mended.set(true);
        bus.dead_letters().redrive(1).unwrap();
        bus.drain().await;
    });
    assert_eq!(end, Ok(()));
}
