//! What the transports of AWS have in common: how they connect, what a packet is on the wire, how many fit into a batch,
//! and what their errors mean.
//!
//! `connection.rs → fresh.rs → a client`, `Packet → wire.rs → packing.rs → requests.rs → SNS, SQS`,
//! `SQS → wire.rs → Packet`, `an error of the SDK → faults.rs → TransportError`
//!
//! In reading order: `connection` says where AWS is, `fresh` gives up connections that are dead; `wire` writes and reads;
//! `packing` says which packets go together, `requests` sends them, in their order where there is one, and `patience` says
//! until when that is tried; `limits` has how much SNS and SQS take, and `faults` says what an error of the SDK means.
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
