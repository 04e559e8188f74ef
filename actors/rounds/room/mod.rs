//! What a broker and its sessions share: who is registered, and the way between them.
//!
//! `broker → Link → session; session → Room::back → broker; both look at the Roster`
//!
//! - `room` — everything that is shared, and the consumers.
//! - `roster` — the emitters, by slot.
//! - `link` — what a broker says to the session of a round, and what comes back.
//! - `meter` — what is measured of its rounds.
//! - `spare` — emptied tables and queues of closed rounds, for the next ones.
//!
//! What must hold: all of it is on one arbiter, and nothing is borrowed while code of the user's runs.

mod room;
mod roster;
mod link;
mod meter;
mod spare;

pub(crate) use link::{FromSession, Joining, Link, ToSession};
pub(crate) use meter::Meter;
pub(crate) use room::{Listed, Room};
pub(crate) use roster::{Member, Roster};
pub(crate) use spare::Spare;
