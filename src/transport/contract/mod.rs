//! The contract: what every server is reached by, and what is the same for all of them.
//!
//! `Packet → Publisher → a server → Source → Delivery → Settlement: ack | retry after | dead letter | release`
//!
//! In reading order: `packet` is what travels, `publisher` hands it over, `source` lends it as a `delivery`, `abilities` says
//! what a server can do beyond that, and `error` what went wrong, of which `no_time` is what a test sees. `dead_letter` has the record of one, and brings it back;
//! `parking` has those that stay in their places. `retry` says when a delivery comes again, and `inbox` which events were done. `pulse` and `batcher` are for those who
//! write a transport, and `name` says which names are valid in a database.
//!
//! A delivery is settled once. What is confirmed is kept by the server; who is not told so may send again.

mod packet;
mod publisher;
mod source;
mod delivery;
mod abilities;
mod error;
#[cfg(any(
    feature = "postgres",
    feature = "rabbitmq",
    feature = "redis",
    feature = "sns",
    feature = "sqlite",
    feature = "sqs"
))]
mod no_time;
mod dead_letter;
mod parking;
mod retry;
mod inbox;
mod pulse;
mod batcher;
mod name;

pub use abilities::{Abilities, Demand};
pub use batcher::Batcher;
pub(crate) use batcher::caught;
pub use dead_letter::{DEAD_LETTER, DeadLetterRecord, DeadReason, Redriven, redrive};
pub(crate) use delivery::Place;
pub use delivery::{Delivery, Receipt, Settlement};
pub use error::{ErrorKind, TransportError};
pub(crate) use inbox::no_transaction;
pub use inbox::{Inbox, MemoryInbox};
pub(crate) use name::{check_name, check_name_if_any};
#[cfg(any(
    feature = "postgres",
    feature = "rabbitmq",
    feature = "redis",
    feature = "sns",
    feature = "sqlite",
    feature = "sqs"
))]
pub(crate) use no_time::in_vain;
#[cfg(any(feature = "postgres", feature = "rabbitmq", feature = "sns", feature = "sqs"))]
pub(crate) use no_time::sockets;
pub(crate) use packet::BINDING;
pub use packet::{Attribute, Attributes, Packet};
pub(crate) use parking::MOST_COUNTED;
pub use parking::{LetterInPlace, Parking, ParkingFigures, Parks};
pub use publisher::{BoxFuture, Publisher};
pub use pulse::Pulse;
pub use retry::Retry;
pub use source::{Source, UNHEARD_ATTEMPTS};
