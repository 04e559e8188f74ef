//! The life of one service, from its factory to its end.
//!
//! `Options, factory → Life ─ prepare, subscribe → Instance (its actor) → its end ─ ToKeeper → its keeper (supervision/)`
//!
//! - `restart`: whether, when and how often what has ended starts again.
//! - `strategy`: who is started again together.
//! - `child`: what whoever keeps it asks of it, and how it tells of its end.
//! - `tree`: services and supervisors in their places, for whoever asks.
//! - `living`: what it asks of the service, and of what that hears.
//! - `oversight`: what its seats, its actor and its keeper know of each other.
//! - `instance`: one actor, polled where its panic can be caught.
//! - `presence`: where the present actor is, for every thread.
//! - `refusals`: what becomes of what is published to one that does not come back.
//! - `life`: all of it: built, prepared, subscribed, run, paused, stopped.
//!
//! What must always hold: at most one actor lives at a time; nobody sends to one that has not begun or has ended; what is
//! subscribed stays so until the life is over; a panic ends the actor that panicked, and nothing else.

mod restart;
mod strategy;
mod tree;
mod child;
mod living;
mod oversight;
mod instance;
mod presence;
mod refusals;
mod life;

pub(crate) use child::{Child, LocalFuture, ToKeeper};
pub(crate) use instance::End;
pub(crate) use life::{Life, Options};
pub(crate) use living::{Living, ServiceSeat, Terms};
pub use oversight::OnError;
pub(crate) use oversight::{Oversight, is_kept, is_pausing, with_current};
pub(crate) use presence::{InFlight, Shared};
pub(crate) use restart::Ledger;
pub use restart::{Backoff, Budget, Restart};
pub use strategy::Strategy;
pub(crate) use tree::Node;
pub use tree::{ServiceTree, ServiceView};
