//! In a transaction of the application.

use std::ops::DerefMut;

use convoke::transport::ErrorKind;
use convoke::{StoreError, nothing_since};

use super::{Base, LONG, filled, moved, numbers, orders};

pub(super) async fn what_is_committed_is_there_and_what_is_rolled_back_leaves_no_gap<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 1).await;
    let mut transaction = base.begin().await;
    assert_eq!(store.append(moved(1, 1)).within(transaction.deref_mut()).await.unwrap().number(), 2);
    assert_eq!(store.append_all([moved(1, 2), moved(1, 3)]).within(transaction.deref_mut()).await.unwrap().number(), 4);
    assert_eq!(store.head().await.unwrap().number(), 1, "nobody sees it before the commit");
    B::rollback(transaction).await;
    let mut transaction = base.begin().await;
    assert_eq!(store.append(moved(1, 4)).within(transaction.deref_mut()).await.unwrap().number(), 2);
    B::commit(transaction).await;
    let mut transaction = base.begin().await;
    assert_eq!(store.append(moved(1, 5)).within(transaction.deref_mut()).await.unwrap().number(), 3);
    drop(transaction);
    assert_eq!(store.append(moved(1, 6)).await.unwrap().number(), 3);
    assert_eq!(numbers(&store.read("**").about("Order", 1).all().await.unwrap()), [2, 3]);
    assert_eq!(store.verify().await.unwrap().number(), 3);
}

pub(super) async fn a_reader_waits_for_no_open_transaction<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 2, 3).await;
    let mut transaction = base.begin().await;
    store.append(moved(1, 1)).within(transaction.deref_mut()).await.unwrap();
    let read = tokio::time::timeout(LONG, store.read("**").all()).await.unwrap().unwrap();
    assert_eq!(read.len(), 6);
    assert_eq!(store.read("orders/*").about("Order", 1).backward().all().await.unwrap().len(), 3);
    B::commit(transaction).await;
    assert_eq!(store.read("**").all().await.unwrap().len(), 7);
}

pub(super) async fn a_transaction_has_to_be_there_and_of_the_same_database<B: Base>() {
    let (base, other) = (B::new().await, B::new().await);
    let (store, _there) = (filled(&base, 1, 1).await, orders(&other).await);
    let kind = |error: StoreError| match error {
        StoreError::Transport(error) => error.kind(),
        error => panic!("{error}"),
    };
    let mut plain = base.plain().await;
    let error = store.append(moved(1, 1)).within(plain.deref_mut()).await.unwrap_err();
    assert!(error.to_string().contains("no transaction"), "{error}");
    assert_eq!(kind(error), ErrorKind::Refused);
    drop(plain);
    let mut elsewhere = other.begin().await;
    let error = store.append(moved(1, 1)).within(elsewhere.deref_mut()).await.unwrap_err();
    assert_eq!(kind(error), ErrorKind::Missing);
    drop(elsewhere);
    assert_eq!(store.head().await.unwrap().number(), 1);
}

pub(super) async fn a_transaction_sees_its_own_events<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 1).await;
    let mut transaction = base.begin().await;
    let connection = transaction.deref_mut();
    let own = store.append(moved(7, 1)).within(connection).await.unwrap();
    let before = nothing_since(store.head().await.unwrap()).about("Order", 7);
    let error = store.append(moved(7, 2)).when(before).within(connection).await.unwrap_err();
    assert_eq!(error, StoreError::Conflict { position: own, event: "Moved".into() });
    // A conflict leaves the transaction as it was.
    store.append(moved(7, 2)).when(nothing_since(own).about("Order", 7)).within(connection).await.unwrap();
    B::commit(transaction).await;
    assert_eq!(numbers(&store.read("**").about("Order", 7).all().await.unwrap()), [2, 3]);
    assert_eq!(store.verify().await.unwrap().number(), 3);
}
