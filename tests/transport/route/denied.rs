//! A route whose publisher may not publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use convoke::{ListenerError, Retry, Route};
use serde::{Deserialize, Serialize};

use crate::common::ms;

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// Takes nothing, for the reason that it is given, and counts how often it was asked.
#[derive(Clone)]
struct Says(ErrorKind, Arc<AtomicUsize>);

impl Publisher for Says {
    fn name(&self) -> &str {
        "guarded"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let error = || Err(TransportError::new(self.0, "guarded", "as it was told"));
        Box::pin(async move { packets.iter().map(|_| error()).collect() })
    }
}

#[convoke::test]
async fn who_is_not_let_in_tries_again_and_what_is_refused_is_not_sent_twice() {
    expect_failure("route to guarded");
    let bus = EventBus::builder().publisher("Shop").build();
    for (kind, asked, permanent) in [(ErrorKind::Denied, 3, false), (ErrorKind::Refused, 1, true)] {
        let guarded = Says(kind, Arc::default());
        let _out = Route::new("**", guarded.clone()).retry(Retry::exponential(ms(10)).attempts(3)).open(&bus).unwrap();
        let report = bus.emit(OrderPlaced { id: 1 }).await;
        assert_eq!(guarded.1.load(Ordering::Relaxed), asked, "{kind:?}");
        assert!(
            report.failed().all(|(_, error)| matches!(error, ListenerError::Permanent(_)) == permanent),
            "{kind:?}: {report}"
        );
    }
}
