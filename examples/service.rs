//! How does a component subscribe when it starts, clean up when it stops, and come back when it fails?
//!
//! `cargo run --example service`

#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use actix::prelude::*;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(BaseService)]
#[service(on(OrderPlaced), start = open_ledger, stop = close_ledger)]
struct Billing {
    ledger: Option<Vec<u64>>,
}

impl Billing {
    async fn open_ledger(&mut self) -> std::io::Result<()> {
        self.ledger = Some(Vec::new()); // an application connects to its database here
        Ok(())
    }

    fn close_ledger(&mut self) -> impl Future<Output = ()> + use<> {
        let ledger = self.ledger.take();
        async move { println!("           the ledger closes: {:?}", ledger.unwrap_or_default()) }
    }
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        assert!(order.id != 13, "an unlucky order");
        self.ledger.as_mut().ok_or("the ledger is closed")?.push(order.id);
        Ok(())
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::panic::set_hook(Box::new(|_| println!("           it panics")));
    let bus = EventBus::default();
    let began = actix::clock::Instant::now();
    let _status = bus.on(move |status: &ServiceStatus| println!("{:>6} ms  {status}", began.elapsed().as_millis()))?;

    let billing = Billing::supervised(&bus, |_| Billing { ledger: None }).await?; // subscribed, and running
    for id in [7, 13, 8, 9] {
        bus.publish(OrderPlaced { id })?; // 8 and 9 wait until it is back
    }
    bus.drain().await;
    billing.stop().await;
    bus.drain().await;
    Ok(())
}
