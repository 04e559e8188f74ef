//! How what a server keeps is shown: packets, times, figures.
//!
//! `Packet → personal.rs: does it say that anybody may see it? → seen.rs → a line, or JSON`
//!
//! - `personal.rs`: whether a payload may be shown
//! - `seen.rs`: a packet as it is shown
//! - `fields.rs`: what is told of a payload that is hidden
//! - `figures.rs`: numbers, ages and times, and what nobody knows; `round.rs`: what a round is about, and how it is
//!
//! What must hold: a payload, a key and the values beside them are shown if the packet says that it contains no personal data, or if
//! somebody has said `--reveal`. An authorization is never shown.

mod fields;
mod figures;
mod personal;
mod round;
mod seen;

pub(crate) use fields::hidden;
pub(crate) use figures::{UNKNOWN, age, figure, instant, since};
pub(crate) use round::{round_key, round_state};
pub(crate) use seen::Seen;
