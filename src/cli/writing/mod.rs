//! What stands around every command that writes to a server: it asks where that is production, and tells who did what.
//!
//! `a command → Act → consent.rs: may it? → audit.rs: a line → the work → audit.rs: a line with how many`
//!
//! - `act.rs`: what is about to be done, and the order of the steps
//! - `consent.rs`: asks, or refuses where nobody can be asked
//! - `audit.rs`: the log of a context, a line of JSON for each beginning and each end
//!
//! What must hold: nothing is written before it was allowed and its line stands in the log. No key, no payload and no password is
//! in that log.

mod act;
mod audit;
mod consent;

pub(crate) use act::{Act, Count};
#[cfg(feature = "console")]
pub(crate) use audit::user;
