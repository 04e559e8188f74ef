//! What gets into a store, and what does not.

use convoke::prelude::*;
use convoke::transport::ErrorKind;
use convoke::{Envelope, EnvelopeLimits, Outgoing, Secret, StoreError, Uuid};
use serde_json::json;

use super::{Base, Inside, Moved, Noted, filled, moved, noted, numbers, orders};

pub(super) async fn positions_have_no_gap_and_know_their_store<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    assert_eq!(store.head().await.unwrap(), convoke::Position::START);
    for expected in 1..=5 {
        let position = store.append(moved(7, 1)).await.unwrap();
        assert_eq!(position.number(), expected);
        assert_eq!(store.head().await.unwrap(), position);
        assert_eq!(position.to_string().parse::<convoke::Position>().unwrap(), position);
    }
    let again = orders(&base).await;
    assert_eq!(again.append(moved(7, 1)).await.unwrap().number(), 6);
    assert_eq!(again.verify().await.unwrap().number(), 6);
}

pub(super) async fn what_is_appended_is_read_as_it_was<B: Base>() {
    let base = B::new().await;
    let store = base.store("orders").publisher("Shop").await.unwrap();
    let (cause, correlation) = (Metadata::new("Cause"), Uuid::from_u128(7));
    let before = std::time::SystemTime::now();
    store.caused_by(&cause).with_correlation(correlation).append(moved(7, 3)).await.unwrap();
    let records = store.read("orders/*").all().await.unwrap();
    let [record] = &*records else { panic!("one: {records:?}") };
    assert_eq!((record.topic(), record.position().number()), ("orders/moved", 1));
    let envelope = record.envelope().unwrap();
    assert_eq!((envelope.metadata.event.as_str(), &*envelope.metadata.publisher), ("Moved", "Shop"));
    assert_eq!(envelope.metadata.entity_id.as_deref(), Some("7"));
    assert_eq!((envelope.metadata.causation, envelope.metadata.correlation), (Some(cause.id), correlation));
    assert_eq!(envelope.payload, json!({"order": 7, "step": 3}));
    assert_eq!(record.event::<Moved>().unwrap(), moved(7, 3));
    let error = record.event::<Noted>().unwrap_err();
    assert!(matches!(error, StoreError::OtherEvent { wanted: "Noted", .. }), "{error}");
    let about = record.time().duration_since(before).unwrap_or_default();
    assert!(about < std::time::Duration::from_secs(3600), "{about:?}");
    assert!(!format!("{record:?}").contains("step"), "{record:?}");
}

pub(super) async fn several_are_all_appended_or_none<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 1).await;
    let several = [Outgoing::new(moved(1, 1)), Outgoing::new(noted("a")), Outgoing::json("orders/seen", json!(1))];
    assert_eq!(store.append_all(several).await.unwrap().number(), 4);
    let several = [Outgoing::new(moved(1, 1)), Outgoing::json("orders/*", json!(1))];
    assert!(matches!(store.append_all(several).await.unwrap_err(), StoreError::Topic(_)));
    assert_eq!(store.append_all(Vec::<Moved>::new()).await.unwrap().number(), 4);
    assert_eq!(store.append_all((0..357).map(|step| moved(step % 5, step))).await.unwrap().number(), 361);
    assert_eq!(store.verify().await.unwrap().number(), 361);
    let of_one = store.read("**").about("Order", 3).all().await.unwrap();
    assert_eq!(of_one.len(), 71);
    assert_eq!(of_one[70].event::<Moved>().unwrap().step, 353);
}

pub(super) async fn what_cannot_be_stored_is_an_error_by_name<B: Base>() {
    let base = B::new().await;
    let store = base.store("orders").limits(EnvelopeLimits::default().bytes(2000)).await.unwrap();
    assert!(matches!(store.append(Inside).await.unwrap_err(), StoreError::Local { event } if event == "Inside"));
    let error = store.append(noted(&"x".repeat(3000))).await.unwrap_err();
    let StoreError::Transport(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("of the store"), "{error}");
    assert!(matches!(store.append_json("a//b", json!(1)).await.unwrap_err(), StoreError::Topic(_)));
    assert_eq!(store.head().await.unwrap().number(), 0);
}

pub(super) async fn an_authorization_is_not_stored<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let mut metadata = Metadata::new("OrderPlaced");
    metadata.authorization = Secret::from("Bearer abc");
    store.append_envelope(Envelope::new(metadata, json!(1))).await.unwrap();
    let record = &store.read("**").all().await.unwrap()[0];
    assert!(!String::from_utf8_lossy(record.bytes()).contains("abc"));
    assert_eq!(record.envelope().unwrap().metadata.authorization, Secret::default());
}

pub(super) async fn what_came_from_elsewhere_is_stored_as_it_came<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let mut metadata = Metadata::new("Überfall");
    (metadata.entity, metadata.entity_id) = ("Ord\u{0}er".into(), Some("x\u{1f}".repeat(400).into()));
    let envelope = Envelope::new(metadata, json!({"a": "\u{0} 'quoted' \\ ü"}));
    store.append_envelope(envelope.clone()).await.unwrap();
    let records = store.read("**").about("Ord\u{0}er", "x\u{1f}".repeat(400)).all().await.unwrap();
    assert_eq!(records[0].envelope().unwrap(), envelope);
}

pub(super) async fn stores_of_a_database_know_nothing_of_each_other<B: Base>() {
    let base = B::new().await;
    let (one, other) = (filled(&base, 3, 3).await, base.store("others").await.unwrap());
    assert_eq!(other.append(moved(1, 9)).await.unwrap().number(), 1);
    assert_eq!(one.append(moved(1, 9)).await.unwrap().number(), 10);
    assert_eq!(numbers(&other.read("**").all().await.unwrap()), [1]);
    assert_eq!(other.read("**").about("Order", 1).all().await.unwrap().len(), 1);
    assert_eq!(one.read("**").about("Order", 1).all().await.unwrap().len(), 4);
    assert_eq!((one.verify().await.unwrap().number(), other.verify().await.unwrap().number()), (10, 1));
}

pub(super) async fn a_name_that_is_wrong_is_an_error<B: Base>() {
    let base = B::new().await;
    for name in ["", "a b", "a/b", "'", &"x".repeat(81)] {
        let error = base.store(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
    }
    let twice = base.store("orders").upcast("Moved", 1, |payload| payload).upcast("Moved", 1, |payload| payload);
    assert!(twice.await.unwrap_err().to_string().contains("two upcasters for `Moved` from version 1"));
}

pub(super) async fn who_looks_at_a_store_makes_none<B: Base>() {
    let base = B::new().await;
    let none = base.store("orders").existing().await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Missing);
    assert!(none.to_string().contains("nor any other"), "{none}");
    let one = filled(&base, 1, 2).await;
    assert_eq!(base.store("orders").existing().await.unwrap().head().await.unwrap(), one.head().await.unwrap());
    for name in ["order", "orders2", "a"] {
        let missing = base.store(name).existing().await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Missing, "{missing}");
        assert!(missing.to_string().ends_with("there is `orders`"), "{missing}");
    }
}
