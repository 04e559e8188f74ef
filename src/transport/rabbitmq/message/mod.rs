//! A message of RabbitMQ: the packet in it, and which attempt it is.
//!
//! `Packet → headers.rs: properties, and a table of headers by values.rs → the server → headers.rs → Packet, attempt.rs`
//!
//! In reading order: `headers` writes and reads, `values` has what a header may be, `attempt` counts. What a packet has comes
//! back to the letter; what strangers have written is read as far as it goes, and kept.

mod headers;
mod values;
mod attempt;

pub(crate) use attempt::{came_back, which_attempt};
pub(crate) use headers::{again, read, write};
