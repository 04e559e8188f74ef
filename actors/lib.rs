//! The actors of [Convoke](https://docs.rs/convoke): what happens inside a process.
//!
//! Users name the crate `convoke`, which re-exports all of this. The modules stand in reading order; a line over
//! each path draws it.
#![forbid(unsafe_code)]

// The macros emit `::convoke` paths, here too.
#[allow(unused_extern_crates, reason = "only what the macros expand to names it")]
extern crate self as convoke;

// A round: emitter → broker → session (round decides) → consumer.
mod emitter;
mod emitter_requests;
mod membership;
mod broker;
mod routing;
mod registration;
mod broker_requests;
mod room;
mod session;
mod closing;
mod pledge;
mod round;
mod outcome;
mod account;
mod consumer;
mod consumed;

// What a broker knows: its rules, its members, its open rounds, who is late, and what it tells of them.
mod policy;
mod roster;
mod open_rounds;
mod debts;
mod snapshot;
mod brokers;

// Events: bus → subscription → listener.
mod event;

// Beneath all of them.
mod error;
mod id;
mod runtime;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(test)]
mod model;

#[cfg(feature = "testing")]
pub use convoke_derive::test;

pub use account::{Cause, EmitterRef};
pub use broker::Broker;
pub use broker_requests::{Abort, BrokerExt, ConsumingActor, Inspect, SetTimeout, Stop};
pub use brokers::Brokers;
pub use consumed::{Consumed, FailedConsumer};
pub use consumer::{Consume, Consumer, ConsumerHandle, IntoConsumer, IntoHandled};
pub use emitter::{Emitter, EmitterHandle, Kept};
pub use emitter_requests::{Emit, EmitterExt, Join, Leave, Veto};
pub use error::{BrokerError, ConfigError, ConsumerError, EmitError, Failure, Handled, JoinError};
pub use event::Event;
pub use id::{BrokerId, EmitterId, RoundId, RoundKey};
pub use membership::{Emission, Membership};
pub use outcome::{Cancelled, FromOutcome, Outcome, Resolved, Signal};
pub use pledge::{Pledge, Summons};
pub use policy::{Close, Gathered, LateJoin, OnLost, OnTimeout, Predicate, Release, RepeatEmit};
pub use registration::EmitterSpec;
pub use runtime::LocalContext;
#[doc(hidden)]
pub use runtime::Player;
pub use session::Session;
/// The ids of emitters, and a kind of key, are of this type.
#[doc(no_inline)]
pub use uuid::Uuid;

pub use snapshot::{BrokerSnapshot, DESCRIBED_ROUNDS, EmitterStats, OpenRound, PastRound};

/// What a round may gather: any type that can be shared between threads and lives as long as it is needed.
pub trait Payload: Send + Sync + Unpin + 'static {}

impl<P: Send + Sync + Unpin + 'static> Payload for P {}

/// What most uses need: `use convoke::prelude::*;` beside `use actix::prelude::*;`, with which it shares no name.
pub mod prelude {
    pub use crate::{
        Broker, BrokerError, BrokerExt, Brokers, Cancelled, Cause, Close, Consumer, ConsumerHandle, EmitError, Emitter,
        EmitterExt, EmitterHandle, Failure, Handled, JoinError, LateJoin, Membership, OnLost, OnTimeout, Outcome,
        Pledge, Release, RepeatEmit, Resolved, RoundKey, Summons,
    };
}
