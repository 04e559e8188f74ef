//! Functions that are marked with `#[listener]`, and that the bus could not call.

use std::sync::Arc;

use convoke::{Event, listener};

struct Plain;

#[derive(Event)]
#[event(local)]
struct OrderPlaced;

#[listener]
fn no_event(_: Arc<Plain>) {}

#[listener]
fn by_value(_: OrderPlaced) {}

#[listener]
fn answers(_: &OrderPlaced) -> u32 {
    7
}

#[listener(topics("orders/*"))]
fn typed(_: &OrderPlaced) {}

struct Shop;

impl Shop {
    #[listener]
    fn associated(_: &OrderPlaced) {}
}

fn main() {}
