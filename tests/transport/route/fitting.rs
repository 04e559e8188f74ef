use convoke::codec::{self, CloudEvents, Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{ErrorKind, Memory, MemoryQueue, TransportError};
use convoke::{EnvelopeLimits, ListenerError, Route, RouteError};
use serde_json::{Value, json};

fn shop() -> EventBus {
    EventBus::builder().publisher("Shop").build()
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

/// Emits it by a route with these limits: whether it has left, or why not.
async fn leaves(codec: impl Codec, limits: EnvelopeLimits, payload: Value) -> Result<MemoryQueue, String> {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).codec(codec).limits(limits).open(&bus).unwrap();
    let report = bus.emit_json("placed", payload).unwrap().await;
    match report.failed().next() {
        None => Ok(queue),
        Some((_, ListenerError::Permanent(error))) => {
            assert!(queue.packets().is_empty());
            Err(error.to_string())
        }
        Some((_, error)) => panic!("it is worth no second attempt: {error:?}"),
    }
}

#[convoke::test]
async fn what_no_worker_would_read_does_not_leave() {
    let limits = EnvelopeLimits::default();
    for (payload, fits) in [(nested(63), true), (nested(64), false), (json!({"a": nested(64)}), false)] {
        let left = leaves(Wire, limits, payload).await;
        assert_eq!(left.is_ok(), fits);
        match left {
            // The other side of the same limit.
            Ok(queue) => assert!(codec::read(&queue.packets()[0], limits).is_ok()),
            Err(error) => assert_eq!(
                error,
                "memory:out: no worker with these limits would read it: the body is nested more than 64 deep: flatten it, \
                 or raise `depth` of the limits of the route and of its workers"
            ),
        }
    }
    let error = leaves(CloudEvents::structured(), limits, json!("x".repeat(1_048_576))).await.unwrap_err();
    assert!(error.contains(" bytes, and 1048576 are allowed: ") && !error.contains("xxx"), "{error}");
    assert!(leaves(CloudEvents::structured(), limits, json!("x".repeat(1_000_000))).await.is_ok());
}

#[convoke::test]
async fn who_reads_more_may_send_more() {
    let limits = EnvelopeLimits::default().bytes(4 << 20).depth(100);
    let queue = leaves(Wire, limits, json!({"a": nested(98), "b": "x".repeat(3 << 20)})).await.unwrap();
    assert!(codec::read(&queue.packets()[0], limits).is_ok());
    assert!(codec::read(&queue.packets()[0], EnvelopeLimits::default()).is_err());
    assert!(leaves(Wire, EnvelopeLimits::default().bytes(100), json!(1)).await.is_err());
}

#[convoke::test]
async fn more_attributes_than_a_worker_reads_are_told_when_the_route_is_opened() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let route = |keys: usize| {
        let route = Route::new("**", queue.clone());
        (0..keys).fold(route, |route, key| route.attribute(format!("k{key}"), |_| Some("v")))
    };
    assert!(route(61).open(&bus).is_ok());
    let unsupported = |error: &TransportError| error.kind() == ErrorKind::Unsupported;
    match route(62).open(&bus) {
        Err(RouteError::Transport(error)) if unsupported(&error) => assert_eq!(
            error.to_string(),
            "memory:out: events would have 65 attributes, and 64 are allowed: take fewer routing keys, or another codec, or \
             raise `keys` of the limits here and of the workers"
        ),
        other => panic!("{other:?}"),
    }
    assert!(route(62).limits(EnvelopeLimits::default().keys(65)).open(&bus).is_ok());
}
