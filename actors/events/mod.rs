//! DOOR

pub(crate) mod event;
pub(crate) mod envelope;
pub(crate) mod topics;
pub(crate) mod bus;
pub(crate) mod parcels;
pub(crate) mod listener;
pub(crate) mod seats;
pub(crate) mod container;
pub mod middleware;
mod letters;
mod asking;

pub use asking::{Answer, AskError, IntoAnswer, Request, RequestAll};
pub(crate) use letters::Letters;
pub use letters::{DeadLetter, DeadLetters, Reason, RedriveError};
