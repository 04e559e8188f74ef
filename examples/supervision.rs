//! What falls with what, and what is started again? A small tree, and a table of its restarts.
//!
//! `cargo run --example supervision`

#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::time::Duration;

use actix::prelude::*;
use convoke::Supervisor;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
struct Fault {
    at: String,
}

/// A part of a shop, which falls when it is told to.
#[derive(BaseService)]
#[service(on(Fault))]
struct Part(&'static str);

impl Handler<Heard<Fault>> for Part {
    type Result = Handled;

    fn handle(&mut self, fault: Heard<Fault>, ctx: &mut Context<Self>) -> Handled {
        if fault.at == self.0 {
            ctx.restart("a fault");
        }
        Ok(())
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = EventBus::default();
    let part = |name: &'static str| {
        Part::supervised(&bus, move |_| Part(name)).named(name).backoff(Backoff::exponential(Duration::from_millis(1)))
    };
    // The cashier works with the ledger, and has to know the one that is there; the window is by itself.
    let money = Supervisor::rest_for_one(&bus, "money").add(part("ledger")).add(part("cashier"));
    let shop = Supervisor::one_for_one(&bus, "shop").add(money).add(part("window"));
    let services = Services::new(&bus).add(shop).await?;

    for at in ["ledger", "cashier", "window"] {
        bus.emit(Fault { at: at.to_owned() }).await;
        while !services.health().is_ready() {
            actix::clock::sleep(Duration::from_millis(1)).await;
        }
    }
    println!("{:<10}{:<10}restarts", "service", "state");
    for status in services.statuses() {
        println!("{:<10}{:<10}{}", status.service, status.state, status.restarts);
    }
    println!("{}", if services.shutdown().await.is_clean() { "all stopped" } else { "not all stopped" });
    Ok(())
}
