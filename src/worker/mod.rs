//! Takes deliveries from a server, has listeners hear them, and tells the server how that went.
//!
//! `Source → fetch.rs → Delivery → engine.rs → handling.rs: decode, bus.emit_envelope → ack | retry | dead letter`
//!
//! In reading order: `worker` is set up by users, with its `options`, and `actor` is what runs and may be told; `engine` is
//! its one task, `fetch` gets deliveries, `turns/` says who may begin, `reader` and `reading` make events of packets,
//! `handling` has one heard, `held` keeps its lease meanwhile, `storing` and `kept` see that a verdict is stored, `suspects`
//! are those that may have killed a process; `health` and `account/` say how it is and what it has done.
//!
//! A delivery is acknowledged only after its listeners are done, ends as exactly one of ack, retry, dead letter and release,
//! and stays lent for as long as it is here.

mod worker;
mod options;
mod actor;
mod engine;
mod fetch;
pub(crate) mod turns;
mod reader;
mod reading;
mod handling;
mod held;
mod storing;
mod kept;
mod suspects;
mod health;
pub(crate) mod account;

pub use account::{WorkerError, WorkerReport};
pub use actor::{WorkerActor, WorkerHandle};
pub use health::WorkerHealth;
pub use options::OnUnknown;
pub use worker::Worker;
