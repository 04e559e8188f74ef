//! The listener `write_log`.

use crate::events::OrderPlaced;

/// Writes a line for every order: `RUST_LOG=info cargo run`.
pub fn write_log(order: &OrderPlaced) {
    log::info!("order {} was placed: {}", order.id, order.total);
}
