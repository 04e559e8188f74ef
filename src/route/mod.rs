//! How an event leaves the process.
//!
//! `bus → route.rs: does publisher/event match? → outward.rs: a codec → fit.rs: can it be read there? → leaving.rs → Publisher → a server`
//!
//! In reading order: `route` is a listener that hands on what it hears, `outward` makes a packet of it, `fit` looks whether a
//! worker could read it, and `leaving` sends many at a time, and again while the server is away, of a key one after the other
//! by its `lines`; who waits for one hears by a `slip` what came of it, and `meter` is what is measured.
//!
//! What a route cannot get rid of is a dead letter of the bus, never gone; what has come from outside does not leave again.

mod route;
mod outward;
mod fit;
mod leaving;
mod lines;
mod meter;
mod slip;

pub(crate) use fit::check_kept;
pub(crate) use lines::Lines;
pub(crate) use outward::Outward;
pub(crate) use route::Terms;
pub use route::{Route, RouteError};
