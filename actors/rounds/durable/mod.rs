//! What a round is outside of this process: rules that are data, a course that is worked out from rows, an ending that is text.
//!
//! ```text
//! Broker ──▶ charter.rs ──▶ a row         rows ──▶ course.rs (round.rs decides) ──▶ ending.rs ──▶ a row
//! Membership ──▶ Broker ──▶ desk.rs ──▶ whoever writes rows ──▶ ending.rs ──▶ Outcome ──▶ who waits, a consumer
//! ```
//!
//! In reading order: `charter` is the rules of a broker as they stand in a row, `party` what a party says of itself, `course` a round as
//! its rows have it, and `ending` what became of it. `desk` is how a broker of this process hands on what its members say, and tells them what became of it.
//!
//! `notices` is how one hears of that who asked to be told, and `asking` how a member is asked for its signal, and what becomes of its pledge.
//!
//! Nothing here opens a file or a socket: who keeps rows is in the crate `convoke`. What must hold: whoever works out the same rows
//! comes to the same ending, in whatever process and however often.

mod asking;
mod charter;
mod party;
mod course;
mod desk;
mod ending;
mod notices;
#[cfg(test)]
mod tests;

pub(crate) use asking::Asking;
pub use asking::{Beat, Over, Promised, Summoning};
pub use charter::{Charter, CharterError, Early};
pub use course::{Course, Predicates, Said, Told, Word};
pub use desk::{Answers, Asked, Attending, Deliver, Delivered, Desk, What};
pub use ending::{End, Ending, Kind, No, Sign, round_id};
pub use notices::Notices;
pub use party::PartyTerms;
