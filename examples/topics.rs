//! Who hears what, on one bus: a listener of a type and listeners of topics; an event of a type and events as JSON.
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{cell::Cell, error::Error, rc::Rc};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
    total: u32,
}

const LISTENERS: [&str; 4] = ["billing", "orders/*", "stock/**", "**"];

/// Prints who was called, and how that went.
fn print_row(what: &str, report: &Report) {
    let cells = LISTENERS.map(|name| match report.iter().find(|result| *result.listener == *name) {
        None => "·",
        Some(result) if result.error.is_none() => "●",
        Some(_) => "✗",
    });
    println!("{what:<36}{}", cells.map(|cell| format!("{cell:<10}")).concat().trim_end());
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let bus = EventBus::default();
    let billed = Rc::new(Cell::new(0)); // a listener stays on its thread, and need not be `Send`
    let sum = billed.clone();
    let bill = move |order: &OrderPlaced| sum.set(sum.get() + order.total);
    let _billing = bus.on(bill.named("billing"))?;
    let hear = |_: &JsonEvent| {};
    let _orders = bus.on_topic("orders/*", hear.named("orders/*"))?;
    let _stock = bus.on_topic("stock/**", hear.named("stock/**"))?;
    let _all = bus.on_topic(["**", "orders/placed"], hear.named("**"))?; // an overlap delivers once

    println!("{:<36}{}", "", LISTENERS.map(|name| format!("{name:<10}")).concat().trim_end());
    print_row("OrderPlaced { id: 7, total: 40 }", &bus.emit(OrderPlaced { id: 7, total: 40 }).await);
    for (topic, payload) in [
        ("orders/placed", json!({"id": 8, "total": 2})),
        ("orders/placed", json!({"id": 9})),
        ("orders/closed", json!({"id": 8})),
        ("stock/desks/gone", json!(null)),
    ] {
        let what = format!("{topic} {payload}");
        print_row(&what, &bus.emit_json(topic, payload)?.await);
    }
    println!("\nbilled: {}", billed.get());
    bus.dead_letters().list().iter().for_each(|letter| println!("{letter}"));
    Ok(())
}
