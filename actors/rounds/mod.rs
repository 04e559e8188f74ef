//! Rounds: several parties owe a signal, and everyone hears one outcome.
//!
//! `emitter → broker → session (round decides) → outcome → consumer`
//!
//! - `id`, `error` — the names of things, and what can go wrong.
//! - `round` — the state machine that decides, and its policies.
//! - `outcome` — what became of a round. `snapshot` — what a broker tells of itself.
//! - `messages` — what passes between the actors. `room` — what a broker and its sessions share.
//! - `session` — the actor of one round. `broker` — coordinates them.
//! - `durable` — a round as others write it down: for brokers whose rounds are rows.
//! - `emitter`, `consumer` — the ready-made parties. `broker_ext` — parties that are the user's own. `brokers` — by id.
//! - `model` — what a round and a broker must do, a second time, for the tests.
//!
//! What must hold: a round ends exactly once, and everyone hears the same outcome; nobody waits for ever, whoever panics or is
//! dropped; each file knows only those above it in this list.

mod id;
mod error;
pub(crate) mod round;
pub(crate) mod outcome;
mod snapshot;
pub(crate) mod messages;
pub(crate) mod room;
pub(crate) mod session;
pub(crate) mod broker;
pub mod durable;
pub(crate) mod emitter;
mod consumer;
mod broker_ext;
mod brokers;
#[cfg(test)]
mod model;

pub use broker_ext::{BrokerExt, ConsumingActor};
pub use brokers::Brokers;
pub use consumer::{Consume, Consumer, ConsumerHandle, IntoConsumer};
pub use error::{BrokerError, ConfigError, ConsumerError, EmitError, JoinError};
pub(crate) use id::Title;
pub use id::{BrokerId, EmitterId, RoundId, RoundKey};
pub use snapshot::{BrokerSnapshot, DESCRIBED_ROUNDS, EmitterStats, OpenRound, PastRound};
pub(crate) use snapshot::{Collector, Past};
