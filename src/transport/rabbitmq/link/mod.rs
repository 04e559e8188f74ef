//! The road to a server: two connections that all handles share, and what is sent by them.
//!
//! `server.rs → line.rs: a connection → a Lane (a channel)`, `Letter → patience.rs → press.rs → the server → confirmed`
//!
//! In reading order: `server` says where it is, `greeting` asks for its release, `line` keeps a connection under
//! supervision, `press` publishes letters on a channel and waits for the server to confirm them, `in_order` has many
//! requests under way, `patience` tries for as long as a restart takes, and `faults` says what the client means.
//!
//! Every wait here has a deadline, and no error tells a password.

mod server;
mod greeting;
mod line;
mod press;
mod in_order;
mod patience;
mod faults;

pub(crate) use faults::{GONE, TAKEN_BACK, late, reason};
pub(crate) use in_order::InOrder;
pub(crate) use line::{Lane, Line, TARGET, within};
pub(crate) use patience::{Insistence, PATIENCE, Patience};
pub(crate) use press::{Letter, Press, Taken};
pub use server::RabbitMqServer;
