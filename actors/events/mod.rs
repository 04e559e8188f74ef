//! Events in the process: what they are, who hears them, and what becomes of them.
//!
//! `emit, publish (bus) → route (hub) → seat (seats) → listener → report`
//!
//! The rooms in reading order, each of which knows only those above it in this list:
//!
//! | room | is |
//! |---|---|
//! | `event` | what an event is: typed, as JSON, with its metadata |
//! | `envelope` | the form in which it leaves the process |
//! | `topics` | where it travels, and the patterns that match |
//! | `container` | what listeners are given beside it |
//! | `verdict` | what is said of it when it is not simply done |
//! | `parcel` | one emission on its way |
//! | `middleware` | what stands around a listener |
//! | `hub` | who is registered, and the way from one arbiter to another |
//! | `seats` | the listeners of one arbiter, and how they are called |
//! | `listener` | what can be called, and the report of it |
//! | `bus` | who registers, emits and publishes |
//! | `actor` | an actor that hears in its own context |
//! | `asking` | a question, which is an event that is answered |
//! | `watching` | who looks at what is emitted, and hears nothing |
//!
//! What must hold: nothing goes through a central actor; a listener runs where it was registered; a failure of one stops no
//! other; nothing vanishes silently. Nobody here knows rounds or services.

pub(crate) mod event;
pub(crate) mod envelope;
pub(crate) mod topics;
pub(crate) mod container;
pub(crate) mod verdict;
pub(crate) mod parcel;
pub mod middleware;
pub(crate) mod hub;
pub(crate) mod seats;
pub(crate) mod listener;
pub(crate) mod bus;
pub(crate) mod actor;
mod asking;
mod watching;

pub use asking::{Answer, AskError, IntoAnswer, Request, RequestAll, Requesting, RequestingAll};
pub use watching::{Emitted, Watching};
