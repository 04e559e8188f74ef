//! What is measured of rounds, services and dead letters.

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Heard, Overflow};

use super::book::Book;
use crate::common::{SECOND, join_all, settled, sleep};

/// One round that is resolved, one that nobody completes, and a signal that comes after it.
pub(super) async fn rounds(book: &Book) {
    let broker = Broker::new(SECOND).named("orders").expects(["stock", "payment"]).start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    let (one, other) = (stock.emit(1), payment.emit(1));
    assert!(one.await.unwrap().is_resolved() && other.await.unwrap().is_resolved());

    let waits = stock.emit(2);
    settled().await;
    assert_eq!(book.value("convoke_rounds_open{broker=orders}"), 1.0);
    assert!(waits.await.unwrap().is_cancelled());
    assert!(matches!(payment.emit(2).await, Err(EmitError::Late { .. })));

    assert_eq!(book.value("convoke_rounds_opened_total{broker=orders}"), 2.0);
    assert_eq!(book.value("convoke_rounds_open{broker=orders}"), 0.0);
    assert_eq!(book.value("convoke_rounds_late_signals_total{broker=orders}"), 1.0);
    let took = "convoke_rounds_duration_seconds{broker=orders}";
    assert_eq!((book.times(took), book.value(took)), (2, 1.0));
    let closed = |outcome: &str, cause: &str| {
        book.value(&format!("convoke_rounds_closed_total{{broker=orders,outcome={outcome},cause={cause}}}"))
    };
    assert_eq!((closed("resolved", "none"), closed("cancelled", "timed_out")), (1.0, 1.0));
    assert_eq!((closed("partial", "none"), closed("cancelled", "session_lost")), (0.0, 0.0));
}

/// Why a round was cancelled is told apart, and one whose broker goes is not open for ever.
async fn causes(book: &Book) {
    let broker = Broker::new(SECOND).named("causes").expects(["a", "b"]).start();
    let [a, b] = join_all(&broker, ["a", "b"]).await;
    let vetoed = a.emit(1);
    settled().await;
    assert!(b.veto("no").await.unwrap().is_cancelled());
    assert!(vetoed.await.unwrap().is_cancelled());
    let aborted = a.emit_for(2, 1);
    settled().await;
    broker.abort_for(2, "by hand").await.unwrap();
    assert!(aborted.await.unwrap().is_cancelled());
    let stopped = a.emit_for(3, 1);
    settled().await;
    broker.stop();
    assert!(stopped.await.unwrap().is_cancelled());
    for cause in ["vetoed", "aborted", "broker_stopped"] {
        let closed = format!("convoke_rounds_closed_total{{broker=causes,outcome=cancelled,cause={cause}}}");
        assert_eq!(book.value(&closed), 1.0, "{cause}");
    }
    assert_eq!(book.value("convoke_rounds_open{broker=causes}"), 0.0);
}

#[derive(Event, Clone, Debug)]
#[event(local)]
enum Push {
    Panic,
    Fail,
    Stop,
}

#[derive(BaseService)]
#[service(on(Push))]
struct Frail;

impl Handler<Heard<Push>> for Frail {
    type Result = Handled;

    fn handle(&mut self, push: Heard<Push>, ctx: &mut Context<Self>) -> Handled {
        match **push.event() {
            Push::Panic => panic!("as told"),
            Push::Fail => return Err(Failure::new("as told")),
            Push::Stop => ctx.stop(),
        }
        Ok(())
    }
}

/// A service that falls in three ways, and beyond its budget has failed.
pub(super) async fn services(book: &Book) {
    let bus = EventBus::default();
    let frail = Frail::supervised(&bus, |_| Frail).named("frail").on_error(OnError::Restart);
    let frail = frail.backoff(Backoff::none()).budget(3, 60 * SECOND).await.unwrap();
    let up = "convoke_service_up{service=frail}";
    assert_eq!(book.value(up), 1.0);
    let restarts = |cause: &str| book.value(&format!("convoke_service_restarts_total{{service=frail,cause={cause}}}"));
    for (push, cause) in [(Push::Panic, "panicked"), (Push::Fail, "failed"), (Push::Stop, "stopped")] {
        assert_eq!(restarts(cause), 0.0);
        bus.publish(push).unwrap();
        sleep(SECOND).await;
        assert_eq!((restarts(cause), book.value(up)), (1.0, 1.0), "{cause}");
    }
    bus.publish(Push::Panic).unwrap();
    sleep(SECOND).await;
    assert_eq!(book.value("convoke_service_failures_total{service=frail}"), 1.0);
    assert_eq!((restarts("panicked"), book.value(up)), (1.0, 0.0));
    frail.stop().await;
}

#[derive(Event, Clone, Debug)]
#[event(local)]
struct Ping;

/// More dead letters than a bus keeps, for three reasons.
pub(super) async fn letters(book: &Book) {
    let bus = EventBus::builder().dead_letters(1).build();
    let fails = bus.on((|_: &Ping| Err::<(), _>("no connection")).named("fails")).unwrap();
    let panics = bus.on((|_: &Ping| -> () { panic!("as told") }).named("panics")).unwrap();
    let narrow = bus.on((|_: &Ping| ()).named("narrow").capacity(1).overflow(Overflow::DropNewest)).unwrap();
    bus.publish(Ping).unwrap();
    let _ = bus.publish(Ping);
    bus.drain().await;
    let letters = |reason: &str| book.value(&format!("convoke_bus_dead_letters_total{{reason={reason}}}"));
    assert_eq!((letters("failed"), letters("panicked"), letters("overflow")), (2.0, 2.0, 1.0));
    assert_eq!(book.value("convoke_bus_dead_letters_forgotten_total"), 4.0);
    assert_eq!((bus.dead_letters().total(), bus.dead_letters().forgotten()), (5, 4));
    drop((fails, panics, narrow));
}

macro_rules! alone {
    ($($part:ident),*) => {
        mod by_itself {
            use super::Book;
            $(
                #[convoke::test(allow_failures)]
                async fn $part() {
                    let book = Book::default();
                    let _recorder = metrics::set_default_local_recorder(&book);
                    super::$part(&book).await;
                }
            )*
        }
    };
}

pub(super) use alone;

alone!(rounds, causes, services, letters);

#[convoke::test]
async fn a_broker_without_a_name_is_not_told_by_its_id() {
    let book = Book::default();
    let _recorder = metrics::set_default_local_recorder(&book);
    for _ in 0..2 {
        let broker = Broker::new(SECOND).start();
        let alone = Emitter::join(&broker, "alone").await.unwrap();
        assert!(alone.emit(1).await.unwrap().is_resolved());
    }
    assert_eq!(book.value("convoke_rounds_opened_total{broker=unnamed}"), 2.0);
    assert_eq!(book.families()["convoke_rounds_opened_total"].series.len(), 1);
}
