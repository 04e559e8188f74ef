//! Takes deliveries from a server, has listeners hear them, and tells the server how that went.
//!
//! `Source → fetch.rs → Delivery → engine.rs → handling.rs: decode, bus.emit_envelope → ack | retry | dead letter`
//!
//! In reading order: `worker` is set up by users, with its `options`, and `actor` is what runs and may be told, or `service` among the
//! services of an application; `engine` is its one task, `fetch` gets deliveries, `turns/` says who may begin, `reader` and `reading` make events of packets,
//! `handling` has one heard, `held` keeps its lease meanwhile, `storing` and `kept` see that a verdict is stored, `suspects`
//! are those that may have killed a process; `account/` says how it is and what it has done.
//!
//! A delivery is acknowledged only after its listeners are done, ends as exactly one of ack, retry, dead letter and release,
//! and stays lent for as long as it is here.

mod worker;
mod options;
mod actor;
mod engine;
mod service;
mod fetch;
pub(crate) mod turns;
mod reader;
mod reading;
mod handling;
mod held;
mod storing;
mod kept;
mod suspects;
pub(crate) mod account;

pub use account::{WorkerError, WorkerHealth, WorkerReport};
pub use actor::{WorkerActor, WorkerHandle};
pub use options::OnUnknown;
pub use worker::Worker;
