//! Services that do not do what they declare.

use actix::prelude::*;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
struct OrderPlaced {
    id: u64,
}

#[derive(BaseService)]
#[service(on(OrderPlaced), topics("stock/*"))]
struct Unhandled;

#[derive(BaseService)]
struct TwoActors;

impl Actor for TwoActors {
    type Context = Context<Self>;
}

#[derive(BaseService)]
#[service(stop = close)]
struct Borrowing {
    ledger: Vec<u64>,
}

impl Borrowing {
    async fn close(&mut self) {
        self.ledger.clear();
    }
}

#[derive(BaseService)]
#[service(start = open)]
struct Returning;

impl Returning {
    async fn open(&mut self) -> u64 {
        7
    }
}

struct Plain;

impl Actor for Plain {
    type Context = Context<Self>;
}

async fn supervise(bus: &EventBus) {
    let _ = Plain::supervised(bus, |_| Plain).await;
    let _ = Returning::supervised(bus, |_| 7).await;
}

fn main() {}
