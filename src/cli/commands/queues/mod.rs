//! Commands that look at queues and repair them.
//!
//! `a place → Server of convoke::look → figures, letters, packets → a table, or JSON`
//!
//! - `stats.rs`: `convoke stats`; `tail.rs`: `convoke tail`; `publish.rs`: `convoke publish`
//! - `dead/`: `convoke dead …`
//! - `connected.rs`: what all of them begin with

mod connected;
mod dead;
mod publish;
mod stats;
mod tail;

use connected::{Connected, reach};
pub(super) use dead::Dead;
pub(super) use publish::{Publish, check_for_a_topic};
pub(super) use stats::Stats;
pub(super) use tail::Tail;
