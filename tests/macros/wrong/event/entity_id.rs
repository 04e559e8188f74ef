//! Ids that the event does not have, or that cannot be shown.

use convoke::Event;

#[derive(Event)]
#[event(local, entity_id = order_id)]
struct OrderPlaced {
    id: u64,
    total: u32,
}

#[derive(Event)]
#[event(local, entity_id = id)]
enum Payment {
    Made { id: u64 },
    Failed,
}

#[derive(Event)]
#[event(local, entity_id = 0)]
struct OrderClosed(Option<u64>);

#[derive(Event)]
#[event(local, entity_id = "id")]
struct OrderSent {
    id: u64,
}

fn main() {}
