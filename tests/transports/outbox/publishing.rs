//! What gets into an outbox, and what does not.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::transport::ErrorKind;
use convoke::{Envelope, EnvelopeLimits, OutboxError, Outgoing, TraceContext, Uuid};
use serde_json::json;

use super::{Base, Closed, Inside, Moved, Taker, moved, publish, relay, shop, until};

pub(crate) async fn what_is_committed_leaves_and_what_is_rolled_back_never_does<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    assert_eq!(outbox.name(), "Shop");
    let relay = relay::<B>(&outbox, &taker).await;
    let mut transaction = base.begin().await;
    outbox.publish(&mut transaction, moved(1, 1)).await.unwrap();
    B::rollback(transaction).await;
    let mut transaction = base.begin().await;
    let id = outbox.publish(&mut transaction, moved(2, 1)).await.unwrap();
    // Nobody sees it before the commit.
    assert_eq!(outbox.figures().await.unwrap().ready, 0);
    B::commit(transaction).await;
    taker.has(1).await;
    let packets = taker.packets();
    assert_eq!((packets[0].id.as_str(), packets[0].key.as_deref()), (id.to_string().as_str(), Some("2")));
    assert_eq!(packets[0].topic, "orders/moved");
    assert_eq!(packets[0].attributes.text("publisherName"), Some("Shop"));
    assert_eq!(relay.stop().await.error, None);
    assert_eq!(outbox.figures().await.unwrap(), convoke::OutboxFigures::default());
}

pub(crate) async fn metadata_are_those_that_a_bus_makes<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    let (trace, correlation) = (TraceContext::root(), Uuid::now_v7());
    let given = outbox.with_trace(trace.clone()).with_correlation(correlation).with_authorization("Bearer 7");
    let mut transaction = base.begin().await;
    let first = given.publish(&mut transaction, moved(1, 1)).await.unwrap();
    let second = outbox.publish_json(&mut transaction, "orders/seen", json!({"order": 1})).await.unwrap();
    B::commit(transaction).await;
    taker.has(2).await;
    let sent = taker.envelopes();
    let [one, two]: [Envelope; 2] = sent.try_into().unwrap();
    assert_eq!((one.metadata.id, &*one.metadata.publisher, one.metadata.event.as_str()), (first, "Shop", "Moved"));
    assert_eq!((one.metadata.trace.trace_id(), one.metadata.correlation), (trace.trace_id(), correlation));
    assert_eq!(one.metadata.authorization.expose(), "Bearer 7");
    assert_eq!(
        (two.metadata.id, two.metadata.event.as_str(), two.metadata.correlation),
        (second, "orders/seen", second)
    );
    assert_eq!(two.metadata.topic, "orders/seen");

    // An event is caused by the one whose metadata are given, and by the one that a listener hears.
    let bus = EventBus::default();
    let causes = Arc::new(Mutex::new(vec![two.metadata.clone()]));
    let (base, outbox) = (Rc::new(base), Rc::new(outbox));
    let (of_listener, published, heard) = (base.clone(), outbox.clone(), causes.clone());
    let listen = async move |event: Arc<Closed>, metadata: Metadata| {
        let mut transaction = of_listener.begin().await;
        published.publish(&mut transaction, moved(1, 2)).await.unwrap();
        let other = published.caused_by(&heard.lock().unwrap()[0]);
        other.publish(&mut transaction, moved(1, 3)).await.unwrap();
        B::commit(transaction).await;
        assert_eq!(event.text, "");
        heard.lock().unwrap().push(metadata);
    };
    let _listener = bus.on(listen).unwrap();
    bus.emit(Closed { text: String::new() }).await.ok().unwrap();
    let mut transaction = base.begin().await;
    outbox.caused_by(&two.metadata).publish(&mut transaction, moved(1, 4)).await.unwrap();
    B::commit(transaction).await;
    taker.has(5).await;
    let sent = taker.envelopes();
    let cause = causes.lock().unwrap()[1].clone();
    assert_eq!((sent[2].metadata.causation, sent[2].metadata.correlation), (Some(cause.id), cause.correlation));
    assert_eq!(sent[2].metadata.trace.trace_id(), cause.trace.trace_id());
    assert_eq!(sent[3].metadata.causation, Some(cause.id));
    assert_eq!((sent[4].metadata.causation, sent[4].metadata.correlation), (Some(two.metadata.id), second));
}

pub(crate) async fn what_cannot_leave_is_an_error_by_name<B: Base>() {
    let base = B::new().await;
    let outbox = shop(&base).await;
    let mut transaction = base.begin().await;
    let local = outbox.publish(&mut transaction, Inside).await.unwrap_err();
    assert_eq!(local, OutboxError::Local { event: "Inside".into() });
    // What came from outside does not leave again.
    let bus = EventBus::default();
    let heard = Arc::new(Mutex::new(None));
    let keep = heard.clone();
    let _listener =
        bus.on_topic("far/*", move |event: &JsonEvent| *keep.lock().unwrap() = Some(event.clone())).unwrap();
    let envelope = Envelope::new(convoke::Metadata::new("far/away"), json!({}));
    bus.emit_envelope(envelope).unwrap().await.ok().unwrap();
    let foreign = heard.lock().unwrap().take().unwrap();
    let foreign = outbox.publish(&mut transaction, foreign).await.unwrap_err();
    assert_eq!(foreign, OutboxError::Foreign { event: "far/away".into() });
    let topic = outbox.publish_json(&mut transaction, "orders/*", json!({})).await.unwrap_err();
    assert!(matches!(topic, OutboxError::Topic(_)), "{topic}");
    // The transaction goes on.
    outbox.publish(&mut transaction, moved(1, 1)).await.unwrap();
    B::commit(transaction).await;
    assert_eq!(outbox.figures().await.unwrap().ready, 1);
    let name = base.outbox("a name").await.unwrap_err();
    assert_eq!(name.kind(), ErrorKind::Unsupported);
}

pub(crate) async fn what_is_too_large_is_an_error_before_anything_is_written<B: Base>() {
    let base = B::new().await;
    let outbox = base.outbox("Shop").limits(EnvelopeLimits::default().bytes(2_000).depth(6)).await.unwrap();
    let mut transaction = base.begin().await;
    let large = Closed { text: "x".repeat(2_000) };
    let error = outbox.publish_all(&mut transaction, [Closed { text: "ok".into() }, large]).await.unwrap_err();
    assert!(error.to_string().contains("of the outbox, of its routes"), "{error}");
    assert!(matches!(&error, OutboxError::Transport(error) if error.kind() == ErrorKind::TooLarge), "{error}");
    let deep = outbox.publish_json(&mut transaction, "deep", json!([[[[[[1]]]]]])).await.unwrap_err();
    assert!(matches!(&deep, OutboxError::Transport(error) if error.kind() == ErrorKind::TooLarge), "{deep}");
    outbox.publish_json(&mut transaction, "deep", json!([[[[1]]]])).await.unwrap();
    B::commit(transaction).await;
    assert_eq!(outbox.figures().await.unwrap().ready, 1);
}

pub(crate) async fn a_transaction_has_to_be_there_and_of_the_same_database<B: Base>() {
    let (base, other) = (B::new().await, B::new().await);
    let (outbox, elsewhere) = (shop(&base).await, shop(&other).await);
    let kind = |error: OutboxError| match error {
        OutboxError::Transport(error) => error.kind(),
        error => panic!("{error}"),
    };
    let mut transaction = other.begin().await;
    let error = outbox.publish(&mut transaction, moved(1, 1)).await.unwrap_err();
    assert!(error.to_string().contains("another database"), "{error}");
    assert_eq!(kind(error), ErrorKind::Missing);
    B::rollback(transaction).await;
    let mut plain = base.plain().await;
    let error = outbox.publish(&mut plain, moved(1, 1)).await.unwrap_err();
    assert!(error.to_string().contains("no transaction"), "{error}");
    assert_eq!(kind(error), ErrorKind::Refused);
    drop(plain);
    for outbox in [&outbox, &elsewhere] {
        assert_eq!(outbox.figures().await.unwrap().ready, 0);
    }
}

pub(crate) async fn a_statement_does_the_same_in_any_client<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    let mut transaction = base.begin().await;
    for step in 1..=3 {
        B::run(&mut transaction, outbox.statement(moved(7, step)).unwrap()).await;
    }
    B::commit(transaction).await;
    taker.has(3).await;
    assert_eq!(taker.steps()[&7], [1, 2, 3]);
    assert_eq!(taker.packets()[0].key.as_deref(), Some("7"));
    let shown = format!("{:?}", outbox.statement(moved(123_456, 1)).unwrap());
    assert!(!shown.contains("123456"), "{shown}");
}

pub(crate) async fn events_of_several_types_are_published_by_one_call<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    let mut transaction = base.begin().await;
    let events = [
        Outgoing::new(moved(1, 1)),
        Outgoing::new(Closed { text: "shop".into() }),
        Outgoing::json("orders/seen", json!({"order": 1})),
    ];
    let ids = outbox.publish_all(&mut transaction, events).await.unwrap();
    let none: [Moved; 0] = [];
    assert!(outbox.publish_all(&mut transaction, none).await.unwrap().is_empty());
    B::commit(transaction).await;
    taker.has(3).await;
    until("all ids", async || ids.iter().all(|id| taker.packets().iter().any(|sent| sent.id == id.to_string()))).await;
}

pub(crate) async fn an_outbox_has_one_rule_for_its_keys_whoever_opens_it<B: Base>() {
    let base = B::new().await;
    let before = base.outbox("Shop").await.unwrap();
    let ordered = shop(&base).await;
    // The same function once more, and another one.
    shop(&base).await;
    let other = base.outbox("Shop").ordered_by(|_| None).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Unsupported);
    assert!(
        other.to_string().contains("another function of `ordered_by`") && other.to_string().contains("mod.rs:"),
        "{other}"
    );
    base.outbox("Other").ordered_by(|_| None).await.unwrap();
    // It holds for those without one too, also for those from before.
    let after = base.outbox("Shop").await.unwrap();
    let taker = Taker::new();
    taker.refuse([1]);
    let _relay = relay::<B>(&ordered, &taker).await;
    for (outbox, step) in [(&before, 1), (&after, 2), (&ordered, 3)] {
        publish(&base, outbox, [moved(7, step)]).await;
    }
    until("they are parked", async || ordered.figures().await.unwrap().parked == 2).await;
}
