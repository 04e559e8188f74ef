//! What has happened: a file for each event.

pub mod order_billed;
pub mod order_placed;

pub use order_billed::OrderBilled;
pub use order_placed::OrderPlaced;
