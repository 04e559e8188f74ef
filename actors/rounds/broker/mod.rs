//! Coordinates rounds: who is registered, which rounds are open, and which session an input belongs to.
//!
//! `Membership, Pledge → inbox → Broker → Link → session; FromSession → table, debts, statistics, history`
//!
//! - `broker` — the actor: the builder that makes it, and what it does in its turn.
//! - `leniency` — its builder too: the rules for vetoes and heartbeats.
//! - `registration` — who joins.
//! - `routing` — to which session an input goes; it opens rounds, and takes back what they leave.
//! - `desk` — of a durable broker: where an input goes in place of a session.
//! - `open_rounds` — the table of open rounds. `debts` — who still owed when a round closed.
//! - `requests` — what one may ask: its state, an end, another timeout.
//!
//! The policies are types of `round/policy`: the builder sets them, the round goes by them, and `registration` asks them what
//! an emitter that joins takes part in.
//!
//! What must hold: what sessions say is heard before anything that looks at the table; one round for each key at a time.

mod broker;
mod leniency;
mod registration;
mod routing;
mod desk;
mod open_rounds;
mod debts;
mod requests;

pub use broker::Broker;
pub use registration::EmitterSpec;
pub(crate) use registration::{Attend, Enlist, Keep};
pub use requests::{Abort, Inspect, SetTimeout, Stop};
