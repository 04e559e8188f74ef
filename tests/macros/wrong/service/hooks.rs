//! Services that are started by the wrong name, hooks that wait where nobody does, and a wrong key of one that is used.

use actix::prelude::*;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
struct OrderPlaced {
    id: u64,
}

#[derive(BaseService)]
struct Plain;

#[derive(BaseService)]
#[service(begin = tick)]
struct Waiting;

impl Waiting {
    async fn tick(&mut self, _: &mut Context<Self>) {}
}

#[derive(BaseService)]
#[service(begin = tick)]
struct Failing;

impl Failing {
    fn tick(&mut self, _: &mut Context<Self>) -> Handled {
        Ok(())
    }
}

#[derive(BaseService)]
#[service(stop = close)]
struct Borrowing {
    ledger: Vec<u64>,
}

impl Borrowing {
    async fn close(&mut self) -> Handled {
        self.ledger.clear();
        Ok(())
    }
}

#[derive(BaseService)]
#[service(start = open)]
struct Returning;

impl Returning {
    fn open(&mut self) -> u64 {
        7
    }
}

#[derive(BaseService)]
#[service(topic("orders/placed"))]
struct Unknown;

impl Handler<Heard<OrderPlaced>> for Unknown {
    type Result = Handled;

    fn handle(&mut self, _: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        Ok(())
    }
}

async fn start(bus: &EventBus) {
    let _ = Plain.start();
    let _ = Unknown::supervised(bus, |_| Unknown).await;
}

fn main() {}
