//! What a process does for the rounds of a durable broker.
//!
//! ```text
//! Broker ─▶ clerk.rs ─▶ queue.rs ─▶ engine.rs: write ─▶ RoundStore::work ─▶ bench.rs ─▶ sitting.rs (round.rs decides)
//!                                   engine.rs: look ──▶ RoundStore::due ─▶ work ─▶ …
//! RoundStore::road ─▶ carrying/ ─▶ Broker ─▶ a consumer, or an emitter ─▶ a pledge ─▶ queue.rs
//! ```
//!
//! In reading order: `clerk` takes what members say, and lets consumers in. `queue` has what waits to be written and who waits for an
//! end, `engine` writes and looks, and `telling` is who is told what came of that. `bench` is where a work is judged, `sitting` one place
//! of it, `unworked` one that this process does not work out, `known` what was said before, `leases` how its parties are asked, and `next`
//! the round behind one that closes. `carrying/` has what waits for a name in the store come to this process: rounds to its consumers, and
//! questions to its parties. `gathering` is for a part of Convoke that keeps rounds for itself, as batches of tasks do, and `tally` one of
//! these as it reads it. `meter` is what is measured.
//!
//! Nothing that a process knows decides: a sitting goes by the rows that it is given, in the transaction that has them locked.

mod clerk;
mod queue;
mod engine;
mod telling;
mod bench;
mod sitting;
mod unworked;
mod known;
mod leases;
mod next;
mod carrying;
mod tally;
mod gathering;
mod meter;
#[cfg(test)]
mod tests;

pub(super) use bench::{ATTEMPTS, Answer, Ask, Bench, LEASE, Law, id, replay, since};
pub(super) use carrying::Carries;
pub(super) use clerk::{Clerk, Relays};
pub(super) use engine::Core;
pub(crate) use gathering::{Gathering, Heard, Shape, Speech, Word};
pub(super) use known::{Before, RECENT};
pub(super) use queue::{Reply, Waiter};
pub(crate) use tally::{Tally, limits};
