//! Who may begin, and when.
//!
//! `ahead.rs: how many may be here? → load.rs: is there room for their bytes? → lanes.rs: is it first of its key? → gate.rs → pace.rs → heard`
//!
//! In reading order: `keys` says what a delivery is ordered by, `lanes` has those of one key go one after the other, `gate`
//! lets everybody, nobody or one alone begin, `pace` says how fast, `load` how many bytes may be here, and `ahead` how many
//! deliveries.
//!
//! Of one key nobody overtakes, and one delivery always passes, however large.

mod keys;
mod lanes;
mod gate;
mod pace;
mod load;
mod ahead;

pub(crate) use ahead::Ahead;
pub(crate) use gate::{Alone, Gate};
pub(crate) use keys::Keys;
pub(crate) use lanes::{Before, Lanes, Turn};
pub(crate) use load::{Load, Weight, parsed};
pub(crate) use pace::Pace;
