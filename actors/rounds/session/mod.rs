//! DOOR

mod room;
mod session;
mod closing;

pub(crate) use room::{FromSession, Link, Room, ToSession};
pub use session::Session;
