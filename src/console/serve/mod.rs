//! The console by itself, as `convoke console` runs it: a server of its own, on this machine alone unless it is told otherwise.
//!
//! ```text
//! serve(&shown, address) ─▶ serve.rs: is that safe? ─▶ a port ─▶ its URL with a key that is good once
//!                                                                        │
//!                   a browser ─▶ enter.rs ◀──────────────────────────────┘  the key, or a password
//!                                   └─▶ door.rs: a cookie ─▶ the gate ─▶ pages
//! ```
//!
//! - `serve.rs`: what it is told, and what it refuses to start with
//! - `door.rs`: the key, the password, and the cookie that somebody has for one of them
//! - `enter.rs`: where they are given
//!
//! What must hold: a key is good once, whoever asks twice at once. Nobody else on the network comes in without a password or a guard. No
//! cookie outlives the process.

mod door;
mod enter;
mod serve;

pub use serve::{Serve, ServeError, Serving, serve};
