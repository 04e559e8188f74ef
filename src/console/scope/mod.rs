//! The console as a part of an application: what it is told, and what is registered.
//!
//! `scope("/convoke") → Console → { routes of every room, gate } → actix-web`
//!
//! - `console.rs`: what an application says of it, in the order in which it does
//! - `routes.rs`: what every room registers its pages with
//!
//! What must hold: every page is in the list of routes, and behind the gate.

mod console;
mod routes;

pub use console::{Console, routes, scope};
pub(crate) use routes::Routes;
