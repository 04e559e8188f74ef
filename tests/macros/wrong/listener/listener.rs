//! What cannot be marked with `#[listener]`, and arguments that it does not take.

use convoke::{Event, listener};

#[derive(Event)]
#[event(local)]
struct OrderPlaced;

struct Shop;

impl Shop {
    #[listener]
    fn method(&self, _: &OrderPlaced) {}
}

#[listener]
fn hears_nothing() {}

#[listener]
fn generic<E: Event>(_: &E) {}

#[listener]
fn unnamed(_: impl Event) {}

#[listener]
async fn borrows(_: &OrderPlaced) {}

#[listener]
const fn constant(_: &OrderPlaced) {}

#[listener]
unsafe fn unchecked(_: &OrderPlaced) {}

#[listener]
struct NoFunction;

#[listener("orders/*")]
fn keyless(_: &OrderPlaced) {}

#[listener(topic = "orders/*")]
fn unknown(_: &OrderPlaced) {}

#[listener(topics("orders/pla*"))]
fn mixed(_: &OrderPlaced) {}

#[listener(topics())]
fn no_topics(_: &OrderPlaced) {}

#[listener(priority = "high")]
fn priority(_: &OrderPlaced) {}

#[listener(once, once)]
fn twice(_: &OrderPlaced) {}

fn main() {}
