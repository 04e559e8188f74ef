//! Events of versions that are gone.

use convoke::prelude::*;
use convoke::{Envelope, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Base;

/// As it is by now.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(name = "Priced", topic = "orders/priced", version = 3)]
struct Priced {
    cents: u64,
    currency: String,
}

fn of_version(version: u32, payload: Value) -> Envelope {
    let mut metadata = Metadata::of::<Priced>();
    metadata.version = version;
    Envelope::new(metadata, payload)
}

pub(super) async fn an_old_version_is_lifted_when_it_is_read<B: Base>() {
    let base = B::new().await;
    let store = base
        .store("prices")
        .upcast("Priced", 2, |mut payload| {
            payload["currency"] = "EUR".into();
            payload
        })
        .upcast("Priced", 1, |payload| json!({"cents": payload["price"].as_u64().unwrap_or_default() * 100}))
        .await
        .unwrap();
    store.append_envelope(of_version(1, json!({"price": 3}))).await.unwrap();
    store.append_envelope(of_version(2, json!({"cents": 400}))).await.unwrap();
    store.append(Priced { cents: 500, currency: "CHF".into() }).await.unwrap();
    let records = store.read("**").all().await.unwrap();
    let read: Vec<_> = records.iter().map(|record| record.event::<Priced>().unwrap()).collect();
    assert_eq!(read.iter().map(|priced| priced.cents).collect::<Vec<_>>(), [300, 400, 500]);
    assert_eq!(read.iter().map(|priced| &*priced.currency).collect::<Vec<_>>(), ["EUR", "EUR", "CHF"]);
    assert_eq!(records[0].envelope().unwrap().metadata.version, 3);
    // What was appended stays as it was.
    let kept: Value = serde_json::from_slice(records[0].bytes()).unwrap();
    assert_eq!((&kept["payload"], &kept["metadata"]["version"]), (&json!({"price": 3}), &json!(1)));
    assert_eq!(store.verify().await.unwrap().number(), 3);
}

pub(super) async fn a_version_that_nobody_knows_is_an_error<B: Base>() {
    let base = B::new().await;
    let store = base.store("prices").await.unwrap();
    store.append_envelope(of_version(1, json!({"price": 3}))).await.unwrap();
    store.append_envelope(of_version(4, json!({"cents": 1, "currency": "EUR"}))).await.unwrap();
    let records = store.read("**").all().await.unwrap();
    for (record, version) in records.iter().zip([1, 4]) {
        let error = record.event::<Priced>().unwrap_err();
        let position = record.position();
        assert_eq!(error, StoreError::Version { position, event: "Priced".into(), found: version, wanted: 3 });
        assert_eq!(record.envelope().unwrap().metadata.version, version);
    }
    assert!(records[0].event::<Priced>().unwrap_err().to_string().contains(".upcast(\"Priced\", 1"));
}

pub(super) async fn an_upcaster_that_panics_makes_the_record_unreadable<B: Base>() {
    let base = B::new().await;
    let store = base.store("prices").upcast("Priced", 2, |_| panic!("no idea")).await.unwrap();
    store.append_envelope(of_version(2, json!({"cents": 3}))).await.unwrap();
    store.append(Priced { cents: 5, currency: "CHF".into() }).await.unwrap();
    let records = store.read("**").all().await.unwrap();
    let error = records[0].event::<Priced>().unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }) && error.to_string().contains("no idea"), "{error}");
    assert_eq!(records[1].event::<Priced>().unwrap().cents, 5);
}

pub(super) async fn an_upcaster_is_found_by_the_topic_too<B: Base>() {
    let base = B::new().await;
    let store = base
        .store("prices")
        .upcast("orders/priced", 1, |payload| json!({"cents": payload["price"].as_u64().unwrap_or_default() * 100}))
        .upcast("orders/priced", 2, |_| json!("that of the name is taken"))
        .upcast("Priced", 2, |mut payload| {
            payload["currency"] = "EUR".into();
            payload
        })
        .upcast("plain", 1, |_| json!("what has no slash is a name"))
        .await
        .unwrap();
    store.append_envelope(of_version(1, json!({"price": 3}))).await.unwrap();
    store.append_json("orders/priced", json!({"price": 4})).await.unwrap();
    let mut named = of_version(1, json!({"price": 5}));
    named.metadata.topic = "plain".into();
    store.append_envelope(named).await.unwrap();
    let records = store.read("**").all().await.unwrap();
    assert_eq!(records[0].event::<Priced>().unwrap(), Priced { cents: 300, currency: "EUR".into() });
    // Its name is its topic.
    let lifted = records[1].envelope().unwrap();
    assert_eq!((lifted.metadata.version, lifted.payload), (3, json!("that of the name is taken")));
    assert_eq!(records[2].envelope().unwrap().payload, json!({"price": 5}));
    // There is no version behind the last one.
    let error = base.store("prices").upcast("Priced", u32::MAX, |payload| payload).await.unwrap_err();
    assert!(error.to_string().contains("no version behind"), "{error}");
}
