//! Convoke in an actix-web application: a handler emits an event, a service bills it, a worker brings in what comes from a
//! queue, and probes ask how all of it is. Ctrl-C ends it in order, or a service that has failed for good: first the web
//! server, then the worker, the bus and the services.
//!
//! ```console
//! $ cargo run -p convoke-example-web                    # or with PORT=9000
//! listening on http://127.0.0.1:8080
//! $ curl -d '{"id": 7}' -H 'content-type: application/json' http://127.0.0.1:8080/orders
//! $ curl -i http://127.0.0.1:8080/readyz                # 200 when all services run, or 503
//! $ curl -i http://127.0.0.1:8080/healthz               # 200 while their arbiter answers, or 503: also once `Billing`, which
//!                                                       # it needs, has failed for good
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::error::Error;
use std::time::Duration;

use actix::prelude::*;
use actix_web::web::{Data, Json};
use actix_web::{App, HttpResponse, HttpServer, get, post};
use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{Health, Services, Worker, shutdown_signal};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// Lives on the arbiter of `main`, whichever worker an order comes from.
#[derive(BaseService)]
#[service(on(OrderPlaced))]
struct Billing;

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            actix::clock::sleep(Duration::from_millis(5)).await; // stands for a bank
            println!("billed {}", order.id);
            Ok(())
        })
    }
}

/// Accepts an order, which is billed afterwards; `emit` in place of `publish_wait` would answer when it is.
#[post("/orders")]
async fn place(order: Json<OrderPlaced>, bus: Data<EventBus>) -> HttpResponse {
    match bus.publish_wait(order.into_inner()).await {
        Ok(()) => HttpResponse::Accepted().finish(),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}

fn answer(well: bool, health: &Health) -> HttpResponse {
    let mut answer = if well { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(health.report())
}

#[get("/healthz")]
async fn healthz(health: Data<Health>) -> HttpResponse {
    answer(health.is_live(), &health)
}

#[get("/readyz")]
async fn readyz(health: Data<Health>) -> HttpResponse {
    answer(health.is_ready(), &health)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut signal = shutdown_signal();
    let bus = EventBus::default();
    let services = Services::new(&bus)
        .add(Billing::supervised(&bus, |_| Billing))
        .add(Worker::new(Memory::queue("orders"), &bus)) // in an application a queue of a server
        .live_needs("Billing")
        .await?;

    // The workers of the server are other threads: what they share goes in by `Data`.
    let (bus, health) = (Data::new(bus), Data::new(services.health()));
    let app = move || App::new().app_data(bus.clone()).app_data(health.clone()).service((place, healthz, readyz));
    let port = std::env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let server = HttpServer::new(app).bind(("127.0.0.1", port))?;
    println!("listening on http://{}", server.addrs()[0]);
    let server = server.disable_signals().shutdown_timeout(5).run(); // in seconds
    let web = server.handle();
    actix_web::rt::spawn(server);

    tokio::select! {
        () = signal.wait() => {}
        failed = services.failed() => println!("{failed}"),
    }
    tokio::select! {
        () = web.stop(true) => {}         // requests in flight are answered, and no more come
        () = signal.wait_again() => {}    // a second signal does not wait for them
    }
    println!("{}", services.run_until(signal).await); // what they have published is billed
    Ok(())
}
