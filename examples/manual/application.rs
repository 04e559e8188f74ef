//! A web server with actix-web, and in `axum` one of the same parts with axum.

mod axum;

use actix::prelude::*;
use actix_web::web::{Data, Json};
use actix_web::{App, HttpResponse, HttpServer, get, post};
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// Lives on the arbiter of `main`, whichever thread an order comes from.
#[derive(BaseService)]
#[service(on(OrderPlaced))]
struct Billing;

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        println!("billed {}", order.id);
        Ok(())
    }
}

#[post("/orders")]
async fn place(order: Json<OrderPlaced>, bus: Data<EventBus>) -> HttpResponse {
    match bus.publish_wait(order.into_inner()).await {
        Ok(()) => HttpResponse::Accepted().finish(), // it is billed afterward
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
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let mut signal = shutdown_signal(); // heard from here on
    let listener = std::net::TcpListener::bind(("127.0.0.1", 8080))?; // before anything has started that would have to stop
    let bus = EventBus::default();
    let services = Services::new(&bus).add(Billing::supervised(&bus, |_| Billing)).await?;

    // The workers of the server are other threads: what they share goes in by `Data`.
    let (bus, health) = (Data::new(bus), Data::new(services.health()));
    let app = move || App::new().app_data(bus.clone()).app_data(health.clone()).service((place, healthz, readyz));
    let server = HttpServer::new(app).listen(listener)?;
    let server = server.disable_signals().shutdown_timeout(5).run(); // in seconds
    let web = server.handle();
    actix_web::rt::spawn(server);

    tokio::select! {
        () = signal.wait() => {}
        failed = services.failed() => println!("{failed}"), // a service that has failed for good
    }
    tokio::select! {
        () = web.stop(true) => {} // requests in flight are answered, and no more come
        () = signal.wait_again() => {} // a second signal does not wait for them
    }
    let report = services.run_until(signal).await; // what they have published is billed
    println!("{report}");
    match report.ended_by {
        Some(service) => Err(format!("{service} has failed").into()), // systemd and Kubernetes see an exit code of 1
        None => Ok(()),
    }
}
