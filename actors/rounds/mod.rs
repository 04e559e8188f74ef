//! DOOR

pub(crate) mod broker;
pub(crate) mod emitter;
pub(crate) mod session;
pub(crate) mod round;
pub(crate) mod outcome;
#[cfg(test)]
mod model;
mod id;
mod error;
mod snapshot;
mod brokers;
mod consumer;

pub use brokers::Brokers;
pub(crate) use consumer::ConsumerSeat;
pub use consumer::{Consume, Consumer, ConsumerHandle, IntoConsumer};
pub(crate) use consumer::{Keeper, ToConsumer};
pub use error::{BrokerError, ConfigError, ConsumerError, EmitError, JoinError};
pub(crate) use id::Title;
pub use id::{BrokerId, EmitterId, RoundId, RoundKey};
pub(crate) use snapshot::Collector;
pub use snapshot::{BrokerSnapshot, DESCRIBED_ROUNDS, EmitterStats, OpenRound, PastRound};
