//! What the transports of AWS have in common: how they connect, what a packet is on the wire, how many fit into a batch,
//! and what their errors mean.
//!
//! `connection.rs → fresh.rs → a client`, `Packet → wire.rs → packing.rs → a request`, `wire.rs → Packet`, `faults.rs → TransportError`

mod connection;
mod faults;
mod fresh;
mod packing;
mod patience;
mod requests;
mod wire;

pub(super) use connection::{Connection, Timeouts};
pub(super) use faults::{failure, refusal};
pub(super) use fresh::Fresh;
pub(super) use packing::{pack, spread};
pub(super) use patience::Patience;
pub(super) use requests::publish;
pub(super) use wire::{Entry, Rules};
#[cfg(feature = "sqs")]
pub(super) use wire::{Received, identifier_text, needs_base64, room, seconds};

// What the SDK logs through `tracing` reaches the application's `log`, by a feature of this.
use tracing as _;

/// How many bytes a packet and a batch may have: what SNS takes, and what SQS is sure to take.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// How many attributes a packet may have: with more, SNS drops what is delivered raw.
pub(super) const MAX_ATTRIBUTES: usize = 10;

/// How many packets go in a request.
pub(super) const MAX_BATCH: usize = 10;

/// How many requests of one call are on their way at once.
pub(super) const REQUESTS: usize = 4;
