//! What a signal ends that comes while a worker or services start: that is heard at once, and not after the start.

use convoke::prelude::*;
use convoke::transport::{Abilities, BoxFuture, Delivery, Memory, MemoryQueue, Source, TransportError};
use convoke::{Services, Worker};

use crate::common::{Notes, SECOND, after, ms, sleep};

/// A server that does not answer.
struct Away(MemoryQueue);

impl Source for Away {
    fn name(&self) -> &'static str {
        "away"
    }

    fn abilities(&self) -> Abilities {
        Source::abilities(&self.0)
    }

    fn open(&mut self, _: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async {
            sleep(3_600 * SECOND).await;
            Ok(())
        })
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        self.0.receive(most)
    }
}

#[convoke::test]
async fn a_signal_while_a_worker_starts_is_heard_at_once() {
    let bus = EventBus::default();
    let worker = Worker::new(Away(Memory::queue("orders")), &bus);
    let report = after(2 * SECOND, worker.run_until(sleep(2 * SECOND))).await.unwrap();
    assert_eq!((&*report.source, report.received, report.drained), ("away", 0, true));
    assert_eq!(report.to_string(), "away: 0 received, 0 done, 0 to be tried again, 0 dead");
    // One that has come before is not even asked.
    let worker = Worker::new(Away(Memory::queue("orders")), &bus);
    assert!(after(std::time::Duration::ZERO, worker.run_until(async {})).await.is_ok());
}

#[derive(BaseService)]
#[service(start = open, stop = close)]
struct Quick(Notes<&'static str>);

impl Quick {
    async fn open(&mut self) -> Handled {
        self.0.add("open");
        Ok(())
    }

    fn close(&mut self) -> impl Future<Output = ()> + use<> {
        let notes = self.0.clone();
        async move {
            sleep(SECOND).await;
            notes.add("closed");
        }
    }
}

#[derive(BaseService)]
#[service(needs(Quick), start = open)]
struct Slow;

impl Slow {
    async fn open(&mut self) -> Handled {
        sleep(20 * SECOND).await;
        Ok(())
    }
}

#[convoke::test]
async fn a_signal_while_services_start_is_heard_at_once() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let build = || {
        let quick = notes.clone();
        let quick = Quick::supervised(&bus, move |_| Quick(quick.clone()));
        Services::new(&bus).add(quick).add(Slow::supervised(&bus, |_| Slow))
    };
    // One second in which what has started stops.
    let report = after(3 * SECOND, build().run_until(sleep(2 * SECOND))).await.unwrap();
    assert_eq!(notes.take(), ["open", "closed"]);
    assert_eq!((report.took, report.late.len(), report.hurried), (SECOND, 0, false), "{report}");
    assert!(report.services.iter().all(|status| status.state.is_over()), "{report:?}");
    assert!(bus.subscriptions().is_empty());
    // One that comes before they start, and one that comes after, as ever.
    assert!(after(ms(0), build().run_until(async {})).await.is_ok());
    assert!(notes.take().len() <= 2);
    let report = after(31 * SECOND, build().run_until(sleep(30 * SECOND))).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(notes.take(), ["open", "closed"]);
}

#[convoke::test]
async fn what_does_not_start_is_an_error_whatever_would_come() {
    let bus = EventBus::default();
    let services = Services::new(&bus).add(Slow::supervised(&bus, |_| Slow));
    let error = services.run_until(std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("needs `Quick`, which was not added"), "{error}");
}
