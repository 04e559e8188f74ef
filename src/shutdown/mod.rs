//! What ends an application from outside.
//!
//! `SIGTERM, SIGINT → ear.rs (a thread) → signal.rs: the first begins, the second hurries, the third ends the process`
//!
//! In reading order: `signal` is what users await, `ear` the one thread that hears.
//!
//! While anybody waits, no listener that blocks its thread can hold the end of the process; when nobody does, signals do what
//! they do by default.

mod signal;
mod ear;

pub use signal::{ShutdownSignal, shutdown_signal};
