//! What the transports of AWS have in common: how they connect, what a packet is on the wire, how many fit into a batch,
//! and what their errors mean.
//!
//! `connection.rs → fresh.rs → a client`, `Packet → wire.rs → packing.rs → a request`, `wire.rs → Packet`, `faults.rs → TransportError`
//!
//! In reading order: `connection` says where AWS is, `fresh` gives up connections that are dead; `wire` writes and reads,
//! `packing` shares packets out over `requests`, for as long as `patience` lasts; `limits` and `faults`.
//!
//! What an error quotes is not shown, for the SDK quotes requests.

mod connection;
mod fresh;
mod wire;
mod packing;
mod requests;
mod patience;
mod limits;
mod faults;

pub(super) use connection::{Connection, Timeouts};
pub(super) use faults::{failure, refusal};
pub(super) use fresh::Fresh;
pub(super) use limits::{MAX_ATTRIBUTES, MAX_BATCH, MAX_BYTES};
pub(super) use packing::spread;
pub(super) use patience::Patience;
pub(super) use requests::publish;
pub(super) use wire::{Entry, Rules};
#[cfg(feature = "sqs")]
pub(super) use wire::{Received, identifier_text, needs_base64, room, seconds};

// What the SDK logs through `tracing` reaches the application's `log`, by a feature of this.
use tracing as _;
