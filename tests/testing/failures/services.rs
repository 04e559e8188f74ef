//! A service whose first start fails is told to whoever awaits it; one that does not stop or start again as it should, to
//! nobody.

use std::cell::Cell;
use std::future::pending;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::testing::{EventSynchronizer, expect_failure};
use convoke::{Failure, Services, ShutdownReport};

use super::{Look, ORDER, OrderPlaced, end_of, red_until};
use crate::common::{SECOND, settled, sleep};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Go,
    Fail,
    Panic,
    Hang,
}

/// Does as it is told when it begins, and when it stops.
#[derive(BaseService)]
#[service(name = "ledger", begin = begin, stop = stop)]
struct Ledger {
    begin: Act,
    stop: Act,
}

impl Ledger {
    fn begin(&mut self, _: &mut actix::Context<Self>) {
        assert_eq!(self.begin, Act::Go, "at its begin");
    }

    fn stop(&mut self) -> impl Future<Output = Handled> + use<> {
        let stop = self.stop;
        async move {
            match stop {
                Act::Go => Ok(()),
                Act::Fail => Err(Failure::new("as told")),
                Act::Panic => panic!("as told"),
                Act::Hang => pending().await,
            }
        }
    }
}

#[test]
fn a_first_start_that_fails_is_its_error_alone() {
    let end = end_of(async |bus| {
        let ledger = Ledger::supervised(&bus, |_| Ledger { begin: Act::Panic, stop: Act::Go });
        let error = ledger.await.unwrap_err().to_string();
        assert!(error.contains("at its begin"), "{error}");
        settled().await;
    });
    assert_eq!(end, Ok(()));
}

async fn started(bus: &EventBus, stop: Act) -> ServiceHandle<Ledger> {
    let ledger = Ledger::supervised(bus, move |_| Ledger { begin: Act::Go, stop });
    ledger.stop_timeout(3 * SECOND).await.unwrap()
}

#[test]
fn a_stop_that_fails_panics_or_hangs_is_seen() {
    let acts = [
        (Act::Fail, "`ledger`: its stop failed: as told"),
        (Act::Panic, "`ledger`: its stop panicked: as told"),
        (Act::Hang, "`ledger`: had not stopped after 3s"),
    ];
    for (act, text) in acts {
        // Most who stop a service drop what is returned.
        let stopped = async |bus: EventBus| drop(started(&bus, act).await.stop().await);
        red_until(text, stopped, async |bus| {
            expect_failure("ledger");
            stopped(bus).await;
        });
        let dropped = async |bus: EventBus| {
            let ledger = started(&bus, act).await;
            let addr = ledger.addr();
            drop(ledger);
            sleep(4 * SECOND).await;
            addr
        };
        red_until(
            text,
            async |bus| drop(dropped(bus).await),
            async |bus| {
                assert!(dropped(bus).await.status().error.is_some());
            },
        );
        // At the end of a test it is stopped by that.
        let end = end_of(async |bus| drop(started(&bus, act).await.forever())).unwrap_err();
        assert!(end.contains(text), "{end}");
    }
    assert_eq!(end_of(async |bus| drop(started(&bus, Act::Go).await.stop().await)), Ok(()));
}

#[test]
fn a_report_of_a_shutdown_is_a_look_once_it_is_read() {
    let shut_down = async |bus: &EventBus| {
        let ledger = Ledger::supervised(bus, |_| Ledger { begin: Act::Go, stop: Act::Fail });
        Services::new(bus).add(ledger).await.unwrap().shutdown().await
    };
    let looks: [Look<ShutdownReport>; 3] =
        [|report| assert!(!report.is_clean()), |report| drop(report.to_string()), |report| drop(format!("{report:?}"))];
    for look in looks {
        red_until(
            "`ledger`: its stop failed: as told",
            // Nobody can tell that a field is read.
            async |bus| assert!(shut_down(&bus).await.services[0].error.is_some()),
            async |bus| look(shut_down(&bus).await),
        );
    }
}

/// What the next of a service does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Works,
    IsNotBuilt,
    PanicsInItsFactory,
    FailsInItsStart,
    PanicsInItsStart,
    PanicsInItsBegin,
}

/// Ends by itself when it is told to, and panics over an order.
#[derive(BaseService)]
#[service(name = "till", on(OrderPlaced), start = open, begin = begin)]
struct Till(Next);

impl Till {
    async fn open(&mut self) -> Handled {
        match self.0 {
            Next::FailsInItsStart => Err(Failure::new("no drawer")),
            Next::PanicsInItsStart => panic!("no drawer"),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, _: &mut Context<Self>) {
        assert_ne!(self.0, Next::PanicsInItsBegin, "in its begin");
    }
}

impl Handler<Heard<OrderPlaced>> for Till {
    type Result = Handled;

    fn handle(&mut self, _: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        panic!("over an order")
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Close;

impl Handler<Close> for Till {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Jam;

impl Handler<Jam> for Till {
    type Result = ();

    fn handle(&mut self, _: Jam, _: &mut Context<Self>) {
        panic!("over a message");
    }
}

#[test]
fn what_ends_an_application_is_looked_at_once_its_report_is_read() {
    let ends = async |bus: &EventBus| {
        let mut till = Till::supervised(bus, |_| Ok::<_, Failure>(Till(Next::Works))).restart(Restart::Never);
        let addr = till.addr();
        let running = Services::new(bus).add(till).await.unwrap();
        addr.try_send(Jam).unwrap();
        running.run_until(pending::<()>()).await
    };
    red_until(
        "`till`: panicked: over a message",
        async |bus| drop(ends(&bus).await),
        async |bus| {
            assert!(!ends(&bus).await.is_clean());
        },
    );
    let told = async |bus: EventBus| {
        let mut till = Till::supervised(&bus, |_| Ok::<_, Failure>(Till(Next::Works))).restart(Restart::Never);
        let addr = till.addr();
        let running = Services::new(&bus).add(till).await.unwrap();
        addr.try_send(Jam).unwrap();
        assert_eq!(running.failed().await.state, ServiceState::Failed);
        drop(running.shutdown().await);
    };
    assert_eq!(end_of(told), Ok(()), "it was told of to who waits for it");
}

/// One whose first works, whose second does this, and whose others do that.
async fn till(bus: &EventBus, second: Next, others: Next) -> ServiceHandle<Till> {
    let built = Cell::new(0);
    let factory = move |_| {
        built.set(built.get() + 1);
        match [Next::Works, second].get(built.get() - 1).copied().unwrap_or(others) {
            Next::IsNotBuilt => Err(Failure::new("no ledger")),
            Next::PanicsInItsFactory => panic!("no ledger"),
            next => Ok(Till(next)),
        }
    };
    Till::supervised(bus, factory).await.unwrap()
}

#[test]
fn a_start_that_fails_again_is_seen() {
    let seconds = [
        (Next::IsNotBuilt, "`till`: could not be built: no ledger"),
        (Next::PanicsInItsFactory, "`till`: could not be built: panicked: no ledger"),
        (Next::FailsInItsStart, "`till`: did not start: no drawer"),
        (Next::PanicsInItsStart, "`till`: did not start: panicked: no drawer"),
        (Next::PanicsInItsBegin, "`till`: did not start: panicked: "),
    ];
    for (second, text) in seconds {
        let falls = async |bus: &EventBus| {
            let till = till(bus, second, Next::Works).await;
            till.try_send(Close).unwrap();
            sleep(5 * SECOND).await;
            till
        };
        let end = end_of(async |bus| drop(falls(&bus).await.stop().await)).unwrap_err();
        assert_eq!(end.matches(text).count(), 1, "{end}");
        let status = async |bus: EventBus| assert!(falls(&bus).await.status().state.is_up());
        assert_eq!(end_of(status), Ok(()), "{second:?}");
        let told = async |bus: EventBus| {
            let why = text.trim_start_matches("`till`: ");
            let mut sync = EventSynchronizer::new(&bus);
            let _till = falls(&bus).await;
            let tells = |status: &ServiceStatus| status.error.as_ref().is_some_and(|error| error.starts_with(why));
            sync.wait_for::<ServiceStatus>().when(tells).await.unwrap();
        };
        assert_eq!(end_of(told), Ok(()), "{second:?}");
    }
    let works = async |bus: EventBus| {
        let till = till(&bus, Next::Works, Next::Works).await;
        till.try_send(Close).unwrap();
        sleep(5 * SECOND).await;
        till.stop().await;
    };
    assert_eq!(end_of(works), Ok(()));
}

#[test]
fn the_letter_of_an_event_is_no_look_at_a_start_that_fails_after_it() {
    let fails = async |bus: &EventBus| {
        let till = till(bus, Next::PanicsInItsFactory, Next::PanicsInItsFactory).await;
        bus.publish(ORDER).unwrap();
        settled().await;
        assert_eq!(bus.dead_letters().take_all().len(), 1);
        sleep(600 * SECOND).await;
        till
    };
    let end = end_of(async |bus| drop(fails(&bus).await.stop().await)).unwrap_err();
    assert!(end.contains("`till`: could not be built: panicked: no ledger"), "{end}");
    assert!(!end.contains("over an order"), "{end}");
    assert_eq!(end_of(async |bus| assert!(fails(&bus).await.status().error.is_some())), Ok(()));
}
