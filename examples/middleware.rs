//! A mailer that hangs, fails and recovers, behind retry, circuit breaker and timeout: a line for each attempt.
//! `cargo run --example middleware`
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use convoke::middleware::{CircuitBreaker, RetryInPlace, Timeout};
use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use std::{cell::Cell, error::Error, future, sync::Arc, time::Duration, time::Instant};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// A middleware is a function: this one stands right around the mailer's timeout, and shows each attempt.
async fn show(call: Call, next: Next) -> Handled {
    let order = call.event::<OrderPlaced>().map_or(0, |order| order.id);
    let began = Instant::now();
    let handled = next.run(call).await;
    let bar = "━".repeat(1 + began.elapsed().as_millis() as usize / 4);
    match &handled {
        Ok(()) => println!("  order {order} {bar}● sent"),
        Err(error) => println!("  order {order} {bar}× {error}"),
    }
    handled
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let attempts = Cell::new(0);
    let mailer = async move |_: Arc<OrderPlaced>| {
        attempts.set(attempts.get() + 1);
        match attempts.get() {
            1 => future::pending().await, // the server does not answer
            2 | 4..=6 => Err("no connection"),
            _ => Ok(()),
        }
    };
    let bus = EventBus::default();
    let mailer = mailer
        .named("mailer")
        .with(RetryInPlace::exponential(Duration::from_millis(40)).attempts(3))
        .with(CircuitBreaker::new(3).pause(Duration::from_millis(300)))
        .with(show)
        .with(Timeout::new(Duration::from_millis(100)));
    let _mailer = bus.on(mailer)?;

    for id in 1..=5 {
        let report = bus.emit(OrderPlaced { id }).await;
        println!("{report}\n");
        if id == 4 {
            actix::clock::sleep(Duration::from_millis(300)).await; // by then the circuit lets one call try
        }
    }
    Ok(())
}
