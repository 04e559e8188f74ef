//! How an event leaves the process.
//!
//! `bus → route.rs: does publisher/event match? → a codec → fit.rs: can it be read there? → leaving.rs → Publisher → a server`
//!
//! In reading order: `route` is a listener that hands on what it hears, `fit` looks whether a worker could read it, and
//! `leaving` sends many at a time, and again while the server is away.
//!
//! What a route cannot get rid of is a dead letter of the bus, never gone; what has come from outside does not leave again.

mod route;
mod fit;
mod leaving;

pub use route::{Route, RouteError};
