//! What a process does for the rounds of a durable broker.
//!
//! ```text
//! Broker ─▶ clerk.rs ─▶ queue.rs ─▶ engine.rs: write ─▶ RoundStore::work ─▶ bench.rs ─▶ sitting.rs (round.rs decides)
//!                                   engine.rs: look ──▶ RoundStore::due ─▶ work ─▶ …
//! an outbox ─▶ a relay ─▶ deliver.rs ─▶ Broker ─▶ a consumer
//! ```
//!
//! In reading order: `clerk` takes what members say, and lets consumers in. `queue` has what waits to be written and who waits for an
//! end, and `engine` writes and looks. `bench` is where a work is judged, `sitting` one place of it. `deliver` hands rounds to the
//! consumers of this process. `gathering` is for a part of Convoke that keeps rounds for itself, as batches of tasks do.
//!
//! Nothing that a process knows decides: a sitting goes by the rows that it is given, in the transaction that has them locked.

mod clerk;
mod queue;
mod engine;
mod bench;
mod sitting;
mod deliver;
mod gathering;

pub(super) use bench::{Ask, Law, id, replay, since};
pub(super) use clerk::{Clerk, Relays};
pub(super) use engine::Core;
pub(crate) use gathering::{Gathering, Heard, Shape, Speech, Tally, Word, limits};
pub(super) use queue::{Reply, Waiter};
