//! The event `OrderBilled`.

use convoke::prelude::*;
use serde::{Deserialize, Serialize};

/// An order was billed.
#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/billed")]
pub struct OrderBilled {
    pub id: u64,
}
