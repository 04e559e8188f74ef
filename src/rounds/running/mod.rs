//! What a process does for the rounds of a durable broker.
//!
//! ```text
//! Broker ─▶ clerk.rs ─▶ queue.rs ─▶ engine.rs: write ─▶ RoundStore::work ─▶ bench.rs ─▶ sitting.rs (round.rs decides)
//!                                   engine.rs: look ──▶ RoundStore::due ─▶ work ─▶ …
//! RoundStore::road ─▶ carry.rs (a relay of an outbox, or a queue) ─▶ deliver.rs ─▶ Broker ─▶ a consumer
//!                                                                   summon.rs ──▶ Broker ─▶ an emitter ─▶ a pledge ─▶ queue.rs
//! ```
//!
//! In reading order: `clerk` takes what members say, and lets consumers in. `queue` has what waits to be written and who waits for an
//! end, and `engine` writes and looks. `bench` is where a work is judged, `sitting` one place of it, `unworked` one that this process does
//! not work out, `leases` how its parties are asked, and `next` the round behind one that closes. `carry` has what waits for a name in the
//! store come to this process: `deliver` hands rounds to its consumers, and `summon` asks its parties. `gathering` is for a part of
//! Convoke that keeps rounds for itself, as batches of tasks do, and `tally` one of these as it reads it.
//!
//! Nothing that a process knows decides: a sitting goes by the rows that it is given, in the transaction that has them locked.

mod clerk;
mod queue;
mod engine;
mod bench;
mod sitting;
mod unworked;
mod leases;
mod next;
mod carry;
mod deliver;
mod summon;
mod tally;
mod gathering;
#[cfg(test)]
mod tests;

pub(super) use bench::{ATTEMPTS, Answer, Ask, Bench, LEASE, Law, id, replay, since};
pub(super) use clerk::{Clerk, Relays};
pub(super) use engine::Core;
pub(crate) use gathering::{Gathering, Heard, Shape, Speech, Word};
pub(super) use queue::{Reply, Waiter};
pub(crate) use tally::{Tally, limits};
