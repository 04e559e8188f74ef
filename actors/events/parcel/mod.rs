//! One emission on its way, and what is said of it meanwhile.
//!
//! `emit, publish → Parcel → a listener (within) → the next parcel`, `Parcel → Ticket → Board → a report`
//!
//! In reading order: `parcel`, the event with where it came from and the forms in which it is seen; `given`, what whoever
//! emits says of it; `stamp`, the same for who sends it on without a bus; `within`, what is emitted while a listener runs; `board`, where listeners that are not done at once write;
//! `ticket`, the place of each of them there; `away`, those on other arbiters; `tap`, who listens in.
//!
//! Each form of an event is made once, and what nobody can see is not computed. A ticket that is dropped says so on its board,
//! so nobody waits for ever.

mod parcel;
mod given;
mod stamp;
mod within;
mod board;
mod ticket;
mod away;
mod tap;

pub(crate) use away::Away;
pub(crate) use board::{Board, GivenUp};
pub(crate) use given::Given;
pub(crate) use parcel::{AnyParcel, Parcel};
pub use stamp::{Stamp, Unstamped};
pub(crate) use tap::{Tap, Taps};
pub(crate) use ticket::{Tally, Ticket};
pub(crate) use within::{Held, Packed, Waiting, Within, current};
