//! A service whose first start fails is told to whoever awaits it; one that does not stop as it should, to nobody.

use std::future::pending;

use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::{Failure, Services, ShutdownReport};

use super::{Look, end_of, red_until};
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
