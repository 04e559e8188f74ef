//! The event `OrderPlaced`.

use convoke::prelude::*;
use serde::{Deserialize, Serialize};

/// An order was placed, and is not billed yet.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
pub struct OrderPlaced {
    pub id: u64,
    pub total: u32,
}
