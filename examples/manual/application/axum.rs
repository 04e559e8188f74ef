//! A web server with axum.

use super::{Billing, OrderPlaced};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use convoke::HealthReport;
use convoke::prelude::*;
use std::{future::IntoFuture, time::Duration};

async fn place(
    State(bus): State<EventBus>,
    Json(order): Json<OrderPlaced>,
) -> Result<StatusCode, (StatusCode, String)> {
    match bus.publish_wait(order).await {
        Ok(()) => Ok(StatusCode::ACCEPTED),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

fn answer(well: bool, health: &Health) -> (StatusCode, Json<HealthReport>) {
    (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(health.report()))
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut signal = shutdown_signal();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 8080)).await?; // before the services start
    let bus = EventBus::default();
    let services = Services::new(&bus).add(Billing::supervised(&bus, |_| Billing)).await?;

    let (live, ready) = (services.health(), services.health());
    let app = Router::new()
        .route("/orders", post(place))
        .route("/healthz", get(async move || answer(live.is_live(), &live)))
        .route("/readyz", get(async move || answer(ready.is_ready(), &ready)))
        .with_state(bus);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
    let server = actix::spawn(server.into_future());

    tokio::select! {
        () = signal.wait() => {}
        failed = services.failed() => println!("{failed}"),
    }
    let _ = stop.send(()); // no more come, and requests in flight are answered, for five seconds at most
    tokio::select! {
        _ = actix::clock::timeout(Duration::from_secs(5), server) => {}
        () = signal.wait_again() => {} // a second signal does not wait for them
    }
    let report = services.run_until(signal).await;
    println!("{report}");
    match report.ended_by {
        Some(service) => Err(format!("{service} has failed").into()),
        None => Ok(()),
    }
}
