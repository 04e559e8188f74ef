//! How what waits for a name in the store comes to who bears that name in this process.
//!
//! ```text
//! RoundStore::road ─▶ carry.rs (a relay of an outbox, or a queue) ─▶ deliver.rs ─▶ Broker ─▶ a consumer
//!                                                                   summon.rs ──▶ Broker ─▶ an emitter ─▶ a pledge ─▶ what is asked of its round
//! ```
//!
//! In reading order: `carry` has it come, `deliver` hands rounds to consumers, `summon` asks parties, and `here` counts who does.

mod carry;
mod deliver;
mod summon;
mod here;

pub(in crate::durable) use carry::Carries;
pub(super) use carry::{AT_ONCE, Carried, carry};
pub(super) use deliver::{ToConsumer, patience};
pub(super) use here::Carrying;
pub(super) use summon::ToParty;
