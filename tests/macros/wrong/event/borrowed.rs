//! Events that borrow: what they are made of has to live as long as they do.

use convoke::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize)]
struct OrderPlaced<'a> {
    note: &'a str,
}

#[derive(Event, Serialize, Deserialize)]
struct OrderClosed {
    note: &'static str,
}

fn main() {}
