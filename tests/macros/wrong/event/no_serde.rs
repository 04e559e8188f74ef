//! An event that leaves the process without the derives of serde.

use convoke::Event;
use serde::{Deserialize, Serialize};

#[derive(Event)]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Serialize)]
struct OrderClosed {
    id: u64,
}

#[derive(Event, Deserialize)]
enum Payment {
    Made { id: u64 },
    Failed,
}

fn main() {}
