//! Attributes where they would mean nothing, and types that cannot be events.

use convoke::Event;

#[derive(Event)]
#[event(local)]
struct UserRegistered {
    #[event(contains_personal_data)]
    email: String,
}

#[derive(Event)]
#[event(local)]
enum Order {
    #[event(topic = "orders/placed")]
    Placed,
    Closed {
        #[event(entity_id)]
        id: u64,
    },
}

#[derive(Event)]
#[event(local)]
union Both {
    id: u64,
    total: u64,
}

fn main() {}
