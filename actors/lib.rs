//! The actors of [Convoke](https://docs.rs/convoke): everything that happens inside a process.
//!
//! You use the crate `convoke`, which re-exports all of this. The module docs of each folder draw its data flow.
#![forbid(unsafe_code)]

// The macros emit `::convoke` paths, here too.
#[allow(unused_extern_crates, reason = "only what the macros expand to names it")]
extern crate self as convoke;

// All know `base` and `runtime`, services know events, and `testing` knows all of them. `.ci/rooms` keeps it so.
mod base;
mod events;
mod rounds;
mod runtime;
mod services;

pub use events::middleware;

#[cfg(feature = "testing")]
pub mod testing;

/// What the expansions of the macros name.
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "testing")]
pub use convoke_derive::test;
pub use convoke_derive::{BaseService, Event, listener};

pub use base::{Failure, Handled, IntoHandled, Payload};
pub use events::bus::Emitting;
pub use events::bus::EventBus;
pub use events::bus::EventBusBuilder;
pub use events::bus::{DeadLetters, RedriveError};
pub use events::bus::{DispatchError, Installed, dispatch};
pub use events::bus::{PublishError, Published};
pub use events::container::ContainerBuilder;
pub use events::container::ContainerError;
#[doc(hidden)]
pub use events::container::Source;
pub use events::container::{Container, Inject};
pub use events::envelope::EnvelopeLimits;
pub use events::envelope::{Envelope, EnvelopeError};
pub use events::event::BadPayload;
pub use events::event::Event;
pub use events::event::JsonEvent;
pub use events::event::Name;
pub use events::event::{Metadata, Replay, Secret};
pub use events::event::{TraceContext, TraceError};
pub use events::hub::{DeadLetter, Hears, SubscriptionInfo};
pub use events::listener::Argument;
pub use events::listener::Heard;
pub use events::listener::ListenError;
pub use events::listener::Listening;
pub use events::listener::{Listen, Listener};
pub use events::listener::{ListenerResult, Report, Unheeded};
pub use events::middleware::{Call, Handling, Middleware, Next};
pub use events::seats::Subscription;
pub use events::topics::Patterns;
pub use events::topics::{Pattern, TopicError};
pub use events::verdict::{ListenerError, Overflow, Permanent, Reason, SubscriptionId, TooDeep};
pub use events::{Answer, AskError, IntoAnswer, Request, RequestAll, Requesting, RequestingAll};
pub use events::{Emitted, Watching};
pub use rounds::broker::{Abort, Broker, EmitterSpec, Inspect, SetTimeout, Stop};
pub use rounds::durable::Early;
pub use rounds::emitter::{Answering, Emit, Emitter, EmitterExt, EmitterHandle, Join, Kept, Leave, Veto};
pub use rounds::messages::{Emission, Membership, Pledge, Summons};
pub use rounds::outcome::{
    Cancelled, Cause, Consumed, EmitterRef, FailedConsumer, FromOutcome, Outcome, Resolved, Signal, Vetoed,
};
pub use rounds::round::{Close, Gathered, LateJoin, OnLost, OnTimeout, OnVeto, Release, RepeatEmit};
pub use rounds::session::Session;
pub use rounds::{
    BrokerError, BrokerExt, BrokerId, BrokerSnapshot, Brokers, ConfigError, Consume, Consumer, ConsumerError,
    ConsumerHandle, ConsumingActor, DESCRIBED_ROUNDS, EmitError, EmitterId, EmitterStats, IntoConsumer, JoinError,
    OpenRound, PastRound, RoundId, RoundKey,
};
pub use runtime::LocalContext;
#[doc(hidden)]
pub use runtime::Player;
pub use services::life::OnError;
pub use services::life::{Backoff, Budget, Restart, Strategy};
pub use services::life::{ServiceTree, ServiceView};
pub use services::service::Subscriptions;
#[doc(hidden)]
pub use services::service::WriteSupervisedInstead;
pub use services::service::{BaseService, ServiceAddr};
pub use services::service::{IntoService, ServiceHandle, Supervised};
pub use services::standing::{BudgetLeft, ServiceChange};
pub use services::standing::{ServiceError, ServiceState, ServiceStatus};
pub use services::supervision::{IntoChild, Supervisor, SupervisorHandle};
/// The type of the ids of emitters, and of one kind of key.
#[doc(no_inline)]
pub use uuid::Uuid;

pub use services::app::ServicesError;
pub use services::app::{Health, HealthReport};
pub use services::app::{OnFailed, Services, ServicesHandle};
pub use services::app::{Shutdown, ShutdownReport};
pub use services::service::ServiceContext;
pub use services::standing::StartError;

/// The types that most programs need: `use convoke::prelude::*;` beside `use actix::prelude::*;`, with which it shares
/// no name.
pub mod prelude {
    #[doc(hidden)]
    pub use crate::WriteSupervisedInstead as _;
    pub use crate::{
        Answer, Backoff, BaseService, Broker, BrokerError, BrokerExt, Brokers, Call, Cancelled, Cause, Close, Consumer,
        ConsumerHandle, DeadLetter, DispatchError, EmitError, Emitter, EmitterExt, EmitterHandle, Event, EventBus,
        Failure, Handled, Health, Heard, Inject, JoinError, JsonEvent, LateJoin, Listen, ListenError, Listener,
        Membership, Metadata, Next, OnError, OnFailed, OnLost, OnTimeout, OnVeto, Outcome, Overflow, Pledge,
        PublishError, Release, RepeatEmit, Report, Resolved, Restart, RoundKey, ServiceAddr, ServiceContext,
        ServiceError, ServiceHandle, ServiceState, ServiceStatus, Services, ServicesError, ServicesHandle, StartError,
        Subscription, Summons,
    };
}
