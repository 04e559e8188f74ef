//! The demonstration: five acts of the real library, and how they are seen.
//!
//! ```text
//! acts ─▶ Stage: what is seen ─▶ plain: a line for each change
//!                             ─▶ view: five panels on a terminal, drawn anew when something has changed
//! ```
//!
//! - `stage.rs`: panels, rows and verdicts; an act tells them, and whoever shows them is told what has changed
//! - `acts/`: a file for each act; nothing in them is staged but the pauses
//! - `plain.rs`, `view.rs`: the two ways to show them
//!
//! An act knows neither terminal nor lines. What it shows has come out of the library: no row is told before it has happened.

mod acts;
mod plain;
mod stage;
mod view;

pub(crate) use acts::{PANIC, sign, whole};
pub(crate) use plain::plain;
use stage::{Act, Tone};
pub(crate) use stage::{Pace, Stage};
pub(crate) use view::{Ended, view};
