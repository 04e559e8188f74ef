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

// An event in the process: bus → subscription → listener.
mod event;
mod json_event;
mod finite;
mod metadata;
mod identity;
mod trace;
mod envelope;
mod envelope_limits;
mod case;
mod wire;
mod name;
mod bus;
mod bus_builder;
mod listen_error;
mod patterns;
mod hub;
mod topic;
mod topic_index;
mod route;
mod desk;
mod parcel;
mod within;
mod emitting;
mod entering;
mod publishing;
mod tap;
mod asking;
mod waiters;
mod retained;
mod subscription;
mod station;
mod freight;

// What happens to it: listener, and what is around and beneath it.
mod listener;
mod listening;
mod function;
mod argument;
mod call;
mod heard;
mod seat;
mod actor_seat;
mod hearings;
mod work;
mod report;
mod letters;
mod container;
mod container_builder;
mod container_error;
pub mod middleware;
mod dispatch;

// A service: it lives, hears, fails and recovers.
mod service;
mod subscriptions;
mod supervised;
mod service_addr;
mod restart;
mod supervisor;
mod group;
mod supervision;
mod keeper;
mod child;
mod services;
mod services_error;
mod shutdown;
mod health;
mod life;
mod start_error;
mod instance;
mod oversight;
mod standing;
mod service_context;

// Beneath all of them.
mod error;
mod id;
mod runtime;

#[cfg(feature = "testing")]
pub mod testing;

/// What the expansions of the macros name.
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(test)]
mod model;

#[cfg(feature = "testing")]
pub use convoke_derive::test;
pub use convoke_derive::{BaseService, Event, listener};

pub use account::{Cause, EmitterRef};
pub use argument::Argument;
pub use asking::{Answer, AskError, IntoAnswer, Request, RequestAll};
pub use broker::Broker;
pub use broker_requests::{Abort, BrokerExt, ConsumingActor, Inspect, SetTimeout, Stop};
pub use brokers::Brokers;
pub use bus::EventBus;
pub use bus_builder::EventBusBuilder;
pub use consumed::{Consumed, FailedConsumer};
pub use consumer::{Consume, Consumer, ConsumerHandle, IntoConsumer, IntoHandled};
#[doc(hidden)]
pub use container::Source;
pub use container::{Container, Inject};
pub use container_builder::ContainerBuilder;
pub use container_error::ContainerError;
pub use dispatch::{DispatchError, Installed, dispatch};
pub use emitter::{Emitter, EmitterHandle, Kept};
pub use emitter_requests::{Emit, EmitterExt, Join, Leave, Veto};
pub use emitting::Emitting;
pub use envelope::{Envelope, EnvelopeError};
pub use envelope_limits::EnvelopeLimits;
pub use error::{BrokerError, ConfigError, ConsumerError, EmitError, Failure, Handled, JoinError};
pub use event::Event;
pub use heard::Heard;
pub use id::{BrokerId, EmitterId, RoundId, RoundKey};
pub use json_event::JsonEvent;
pub use letters::{DeadLetter, DeadLetters, Reason, RedriveError};
pub use listen_error::ListenError;
pub use listener::{Listen, Listener};
pub use listening::{Listening, Overflow};
pub use membership::{Emission, Membership};
pub use metadata::{Metadata, Secret};
pub use middleware::{Call, Handling, Middleware, Next};
pub use name::Name;
pub use outcome::{Cancelled, FromOutcome, Outcome, Resolved, Signal};
pub use oversight::OnError;
pub use parcel::BadPayload;
pub use patterns::Patterns;
pub use pledge::{Pledge, Summons};
pub use policy::{Close, Gathered, LateJoin, OnLost, OnTimeout, Predicate, Release, RepeatEmit};
pub use publishing::PublishError;
pub use registration::EmitterSpec;
pub use report::{ListenerError, ListenerResult, Permanent, Report, TooDeep};
pub use restart::{Backoff, Budget, Restart};
pub use runtime::LocalContext;
#[doc(hidden)]
pub use runtime::Player;
pub use service::{BaseService, ServiceState, ServiceStatus};
pub use service_addr::{ServiceAddr, ServiceError};
pub use session::Session;
pub use subscription::{Subscription, SubscriptionId, SubscriptionInfo};
pub use subscriptions::Subscriptions;
pub use supervised::{IntoService, ServiceHandle, Supervised};
pub use supervision::Strategy;
pub use supervisor::{IntoChild, Supervisor, SupervisorHandle};
pub use topic::{Pattern, TopicError};
pub use trace::{TraceContext, TraceError};
/// The ids of emitters, and a kind of key, are of this type.
#[doc(no_inline)]
pub use uuid::Uuid;

pub use health::{Health, HealthReport};
pub use service_context::ServiceContext;
pub use services::{Services, ServicesHandle};
pub use services_error::ServicesError;
pub use shutdown::{Shutdown, ShutdownReport};
pub use snapshot::{BrokerSnapshot, DESCRIBED_ROUNDS, EmitterStats, OpenRound, PastRound};
pub use start_error::StartError;

/// What a round may gather: any type that can be shared between threads and lives as long as it is needed.
pub trait Payload: Send + Sync + Unpin + 'static {}

impl<P: Send + Sync + Unpin + 'static> Payload for P {}

/// What most uses need: `use convoke::prelude::*;` beside `use actix::prelude::*;`, with which it shares no name.
pub mod prelude {
    pub use crate::{
        Answer, Backoff, BaseService, Broker, BrokerError, BrokerExt, Brokers, Call, Cancelled, Cause, Close, Consumer,
        ConsumerHandle, DeadLetter, DispatchError, EmitError, Emitter, EmitterExt, EmitterHandle, Event, EventBus,
        Failure, Handled, Health, Heard, Inject, JoinError, JsonEvent, LateJoin, Listen, ListenError, Listener,
        Membership, Metadata, Next, OnError, OnLost, OnTimeout, Outcome, Overflow, Pledge, PublishError, Release,
        RepeatEmit, Report, Resolved, Restart, RoundKey, ServiceAddr, ServiceContext, ServiceError, ServiceHandle,
        ServiceState, ServiceStatus, Services, ServicesError, ServicesHandle, StartError, Subscription, Summons,
    };
}
