//! A relay among the services of an application.

use std::time::Duration;

use convoke::prelude::*;

use super::{Base, Mode, Taker, moved, publish, quick, shop, until};

pub(crate) async fn a_relay_is_one_of_the_services_of_an_application<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let bus = EventBus::default();
    let services = Services::new(&bus).add(outbox.relay(Route::new("Shop/*", taker.clone()))).await.unwrap();
    assert_eq!(services.statuses()[0].to_string(), "relay of Shop is running");
    publish(&base, &outbox, [moved(1, 1)]).await;
    taker.has(1).await;
    let report = services.shutdown().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(outbox.figures().await.unwrap().ready, 0);
}

pub(crate) async fn a_relay_runs_by_itself_too_as_a_worker_does<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let relay = || outbox.relay(Route::new("Shop/*", taker.clone()));
    let started = relay().start().await.unwrap();
    publish(&base, &outbox, [moved(1, 1)]).await;
    taker.has(1).await;
    assert_eq!(started.stop().await.error, None);
    publish(&base, &outbox, [moved(1, 2)]).await;
    let report = relay().run_until(taker.has(2)).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(outbox.figures().await.unwrap().ready, 0);
    // A signal that is there already, and a route by which nothing would leave.
    assert!(relay().run_until(async {}).await.unwrap().is_clean());
    let nowhere = || outbox.relay(Route::new("orders/*", taker.clone()));
    let error = nowhere().start().await.unwrap_err().to_string();
    assert!(error.contains("`Shop/<event>`"), "{error}");
    let error = nowhere().run_until(std::future::pending::<()>()).await.unwrap_err().to_string();
    assert!(error.contains("`Shop/<event>`"), "{error}");
}

pub(crate) async fn a_route_by_which_nothing_leaves_does_not_start<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let bus = EventBus::default();
    let error = outbox.relay(Route::new("orders/*", taker.clone())).supervised(&bus).await.unwrap_err();
    assert!(error.to_string().contains("events of this outbox are called `Shop/<event>`"), "{error}");
    let error = outbox.relay(Route::new("Shop/a*", taker.clone())).supervised(&bus).await.unwrap_err();
    assert!(error.to_string().contains("Shop/a*"), "{error}");
    let ordered = Route::new("Shop/*", taker).ordered_by(|_| None);
    let error = outbox.relay(ordered).supervised(&bus).await.unwrap_err();
    assert!(error.to_string().contains("it cannot keep the order of a key"), "{error}");
}

pub(crate) async fn what_lags_behind_is_degraded_and_recovers<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Away);
    let relay = outbox.relay(Route::new("Shop/*", taker.clone()).retry(quick())).lag_within(Duration::ZERO);
    let relay = relay.supervised(&EventBus::default()).await.unwrap();
    publish(&base, &outbox, [moved(1, 1)]).await;
    until("it is degraded", async || relay.status().state == convoke::ServiceState::Degraded).await;
    assert!(relay.status().to_string().contains("lags behind"), "{}", relay.status());
    taker.set(Mode::Take);
    taker.has(1).await;
    until("it has recovered", async || relay.status().state == convoke::ServiceState::Running).await;
}
