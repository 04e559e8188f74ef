//! Takes deliveries from a server, has listeners hear them, and tells the server how that went.
//!
//! `Source → fetch.rs → engine.rs → handling.rs: turns/ (wait) → reading.rs (decode) → the bus → a verdict`,
//! `done, dead → storing.rs → ack, dead letter`, `any other verdict → ack, retry, release`
//!
//! In reading order: `worker` is set up by users, with its `options`, and `actor` is what runs and may be told, or
//! `service` among the services of an application; `engine` is its one task, which has a future of `handling` for each
//! delivery; `fetch` gets them; `turns/` says who may begin; `reading` says by what a packet is read, and when it becomes
//! an event; `handling` has one heard, or handled by what `handles` it instead, and `held` keeps its lease from when it is
//! here. `storing` tries to store a verdict for as long as the server does not take it, or to tell it, and `kept` has those that could not
//! be stored, for when their deliveries come again. `suspects` are those that may have killed a process; `health` and
//! `account/` say how it is and what it has done.
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
mod reading;
mod handling;
mod handles;
mod held;
mod storing;
mod kept;
mod suspects;
pub(crate) mod account;

pub use account::{WorkerError, WorkerHealth, WorkerReport};
pub use actor::{WorkerActor, WorkerHandle};
pub(crate) use handles::{Begun, Ended, Given, Handles, Stop, Stops, Tell, Then};
pub use options::OnUnknown;
pub use worker::Worker;
