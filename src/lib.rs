//! Coordination for applications that run on [actix](https://docs.rs/actix) actors.
//!
//! | subject | what it is | manual | types |
//! |---|---|---|---|
//! | rounds | several parties owe a signal; the application acts when all have kept their promise in time | [`guide::rounds`] | [`rounds`] |
//! | durable rounds | the same over processes and restarts: each signal is a row | [`guide::durable`] | [`Durable`] |
//! | events | listeners hear what has happened, and are given what they need; topics with wildcards and JSON | [`guide::events`], [`guide::topics`] | [`events`] |
//! | services | actors that subscribe when they start, clean up when they stop, and come back when they fail | [`guide::services`], [`guide::application`] | [`services`] |
//! | delivery | routes and workers: the road of an event to other processes and back | [`guide::leaving`] | [`delivery`] |
//! | store | events that are kept, in order: conditions, replay, projections | [`guide::store`] | [`delivery`] |
//! | schemas | what events look like, kept as a document, and whom a change breaks | [`guide::schema`] | `schema` |
//! | servers | SNS and SQS, RabbitMQ, Redis, PostgreSQL, SQLite, memory; and what a server of your own has to keep | [`guide::servers`] | [`transport`], [`codec`] |
//! | looking and mending | queues and how full they are, dead letters, what comes: what a tool of your own needs | [`guide::servers`] | [`look`] |
//! | tests | virtual time, a check for what is left behind, tools that wait for events | [`guide::testing`] | `testing` |
//! | the command | `convoke new` begins an application, `convoke make …` adds to it; `convoke stats`, `tail` and `dead …` look and repair | [`guide::command`] | |
//!
//! Every type also stands at the root of the crate, and what most uses need in the [`prelude`].
//!
//! # A round
//!
//! The first signal opens a round and starts its [`Session`], an actor that asks the other emitters and holds the
//! deadline. When the round closes, everyone hears the same [`Outcome`]: [`Resolved`] with the payloads, or [`Cancelled`]
//! with the reason and the names of those who are missing.
//!
//! ```
//! use convoke::prelude::*;
//! use std::time::Duration;
//!
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let broker = Broker::new(Duration::from_secs(1)).expects(["stock", "payment"]).start();
//!     let stock = Emitter::join(&broker, "stock").await?; // the broker knows it once this returns
//!     let payment = Emitter::join(&broker, "payment").await?;
//!     let ship = |round: Resolved<&str>| println!("ship it: {:?}", round.payloads());
//!     let _ship = Consumer::join(&broker, ship).await?;
//!
//!     let (stock, payment) = tokio::join!(stock.emit("3 left"), payment.emit("paid"));
//!     assert!(stock?.is_resolved() && payment?.is_resolved()); // one outcome, the same for everyone
//!     Ok(())
//! }
//! ```
//!
//! # An event
//!
//! A listener is a function: the event, and then what it needs. [`emit`](EventBus::emit) calls all listeners now and is
//! ready with a [`Report`]; [`publish`](EventBus::publish) queues for each of them and returns at once. One that fails,
//! panics or hangs stops no other, and what it failed on is a [`DeadLetter`].
//!
//! ```
//! use convoke::prelude::*;
//! use serde::{Deserialize, Serialize};
//! use std::sync::Arc;
//!
//! #[derive(Event, Serialize, Deserialize)]
//! #[event(topic = "orders/placed")]
//! struct OrderPlaced {
//!     id: u64,
//! }
//!
//! struct Mailer;
//!
//! async fn send_receipt(order: Arc<OrderPlaced>, _mailer: Inject<Mailer>) -> std::io::Result<()> {
//!     println!("thank you for order {}", order.id);
//!     Ok(())
//! }
//!
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let bus = EventBus::builder().provide(Mailer).build();
//!     let _receipts = bus.on(send_receipt)?; // what it needs and nobody provides is an error here, by name
//!     let _log = bus.on_topic("orders/*", |event: &JsonEvent| println!("{}: {}", event.topic(), event["id"]))?;
//!
//!     bus.emit(OrderPlaced { id: 7 }).await.ok()?;
//!     Ok(())
//! }
//! ```
//!
//! # How to start
//!
//! Every actor and every listener needs an actix system on its thread. `#[actix::main]`, as above, brings one. An
//! application that has a `main` of its own starts one where it needs it:
//!
//! ```
//! use convoke::prelude::*;
//! use std::time::Duration;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     actix::System::new().block_on(async {
//!         let broker = Broker::new(Duration::from_secs(1)).start();
//!         let stock = Emitter::join(&broker, "stock").await?;
//!         println!("{}", stock.emit("3 left").await?);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # Features
//!
//! None is on by default.
//!
//! - `testing`: `#[convoke::test]` and the module `convoke::testing`, with virtual time, a check for actors
//!   left alive, and seeds for the order of events; waits for events, probes, a fake bus. It belongs under
//!   `[dev-dependencies]`.
//! - `discover`: [`#[listener]`](macro@listener), which marks a function that `EventBus::discover` registers.
//! - `rate-limit`: the middleware `RateLimit`.
//! - `metrics`: the middleware `Measure`, and what rounds, services, routes, workers, tasks and the rest measure.
//! - `schema`: the module `convoke::schema`, with documents of events, validation, and what a change breaks.
//! - `sqlite`, `postgres`, `redis`, `rabbitmq`, `sqs`, `sns`: the [transports](transport) of these names. All but
//!   `redis` and `rabbitmq` need Rust 1.94.1, the rest 1.88.
//!
//! # Logging
//!
//! Everything is logged through [`log`](https://docs.rs/log). At `info` stand only a queue that SQS has created, a redrive policy
//! that was raised, and the report of a worker that ends with the services of an application:
//!
//! | target | level | what |
//! |---|---|---|
//! | `convoke::round` | debug | a round opened, a signal was refused, a round closed |
//! | `convoke::broker` | debug | started and gone; who joined, left, was lost or came too late |
//! | | warn | the limit of open rounds is reached; a party is lost, and rounds go on without it |
//! | `convoke::consumer` | warn | a consumer failed, panicked, hung or was gone |
//! | `convoke::bus` | debug | who listens to what, and no longer |
//! | | warn | an event was not delivered; a queue is half full; events have caused each other too deep; a retained event was forgotten |
//! | | error | an event has panicked when it was dropped |
//! | `convoke::listener` | debug | what the middleware says of a call |
//! | | warn | a listener failed, panicked, hung or was gone; a circuit has opened |
//! | `convoke::service` | debug | every change of state; a clean shutdown |
//! | | warn | a service restarts or is degraded; a shutdown left something undone |
//! | | error | a service has failed; an arbiter is blocked, and by whom |
//! | `convoke::shutdown` | debug | a signal has come |
//! | | error | signals cannot be heard; the process is ended, because it had not shut down in time |
//! | `convoke::route` | warn | events could not leave, and are tried again |
//! | `convoke::relay` | warn | events of an outbox are dead letters; a server or the database is away, or is back |
//! | | debug | what is tried again |
//! | `convoke::worker` | debug | a worker starts; a delivery is tried again |
//! | | warn | a dead letter; a lease was lost; the server was lost, or is back |
//! | `convoke::tasks` | debug | a job is tried again |
//! | | warn | a job has failed for good, or was cancelled; another worker has it; the database was lost, or is back |
//! | | error | the event that tells of a failure cannot be made |
//! | `convoke::rounds` | debug | a durable round is written once more |
//! | | warn | the database is lost, or is back; a consumer is handed a round again; on Redis, a round is a dead letter of its consumer |
//! | | error | a durable round is set aside, for it cannot be decided |
//! | `convoke::transport` | debug, warn | what a transport does beneath: a connection is lost or there again |
//! | `convoke::sql` | debug, warn | who keeps vacuum of a PostgreSQL back; notifications that are not heard |
//! | `convoke::runtime` | error | an actor of this crate panicked and is gone |
#![forbid(unsafe_code)]

/// Compiles every snippet of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(any(doc, doctest))]
pub mod guide;

mod shutdown;

// An event outside of the process: route → codec → transport → worker; or in a transaction outbox → route → codec; or kept,
// store → codec.
pub mod codec;
pub mod look;
#[path = "rounds/mod.rs"]
mod durable;
mod outbox;
mod route;
#[cfg(feature = "schema")]
pub mod schema;
mod sql;
mod store;
pub mod tasks;
pub mod transport;
mod worker;

/// Rounds: several parties owe a signal, and everyone hears the same outcome.
///
/// | for | see |
/// |---|---|
/// | the rules of a round | [`Broker`], and the policies [`Release`], [`Close`], [`LateJoin`], [`RepeatEmit`], [`OnTimeout`], [`OnLost`], [`OnVeto`] |
/// | one round for each order, user or file | [`Membership::emit_for`], [`RoundKey`] |
/// | being asked for a signal | [`Emitter::on_summons`], [`Pledge`] |
/// | an actor of your own as emitter | [`BrokerExt::add_emitter`], [`EmitterSpec`], [`Summons`], [`Membership`] |
/// | an actor of your own as consumer | [`BrokerExt::add_consumer`], [`Handled`] |
/// | rounds over processes and restarts | [`DurableBroker::durable`], [`Durable`] |
/// | durable rounds without their types, for a tool | [`RoundsLook`], [`BrokerLook`] |
/// | brokers by name, from any thread | [`Brokers`] |
/// | what is open, and who is late | [`BrokerExt::inspect`], [`BrokerSnapshot`] |
/// | how the consumers fared | [`Outcome::consumed`] |
///
/// The manual: [rounds](crate::guide::rounds).
pub mod rounds {
    // Rounds that are kept in a database.
    #[doc(inline)]
    pub use crate::durable::{
        Aborting, BrokerLook, Durable, DurableBroker, DurableBuilder, DurableError, DurableParty, DurableRound,
        DurableState, RoundDatabase, RoundFigures, RoundsLook,
    };
    #[cfg(feature = "redis")]
    #[doc(inline)]
    pub use crate::durable::{RedisRounds, RedisRoundsBuilder};
    #[doc(inline)]
    pub use convoke_actors::Early;

    /// What durable rounds need of a database.
    #[doc(inline)]
    pub use crate::durable::store as round_store;

    #[cfg(feature = "testing")]
    #[doc(inline)]
    pub use crate::durable::conformance;

    // Who takes part in a round.
    #[doc(inline)]
    pub use convoke_actors::{
        Broker, BrokerExt, Brokers, Consumer, ConsumerHandle, Emission, Emitter, EmitterExt, EmitterHandle,
        EmitterSpec, Membership, Payload, Pledge, Session, Summons,
    };

    // What a round goes by.
    #[doc(inline)]
    pub use convoke_actors::{Close, Gathered, LateJoin, OnLost, OnTimeout, OnVeto, Release, RepeatEmit, RoundKey};

    // What becomes of it.
    #[doc(inline)]
    pub use convoke_actors::{Cancelled, Cause, Consumed, FailedConsumer, Kept, Outcome, Resolved, Signal, Vetoed};

    // What may be said to an emitter or a broker, as messages.
    #[doc(inline)]
    pub use convoke_actors::{Abort, Emit, Inspect, Join, Leave, SetTimeout, Stop, Veto};

    // What a broker tells of itself.
    #[doc(inline)]
    pub use convoke_actors::{BrokerSnapshot, DESCRIBED_ROUNDS, EmitterStats, OpenRound, PastRound};

    // Errors, and the names of things.
    #[doc(inline)]
    pub use convoke_actors::{
        BrokerError, BrokerId, ConfigError, ConsumerError, EmitError, EmitterId, EmitterRef, JoinError, RoundId,
    };

    // What the signatures above are made of.
    #[doc(inline)]
    pub use convoke_actors::{Answering, Consume, ConsumingActor, FromOutcome, IntoConsumer};
}

/// Events: listeners hear what has happened, and are given what they need.
///
/// | for | see |
/// |---|---|
/// | what an event says of itself | [`Event`] |
/// | what a listener may be, and what it may ask for | [`Listen`], [`Argument`], [`Listener`] |
/// | its name, priority, condition, queue, timeout | [`Listening`], [`Overflow`] |
/// | what is provided to it, and fakes for a test | [`EventBusBuilder`], [`Container`], [`Inject`] |
/// | the limits of a bus | [`EventBusBuilder`] |
/// | an actor that listens | [`EventBus::subscribe`], [`Heard`] |
/// | topics, wildcards, JSON | [`EventBus::on_topic`], [`Pattern`], [`JsonEvent`] |
/// | what stands around listeners | [`middleware`], [`Middleware`] |
/// | what was not delivered, or failed | [`EventBus::dead_letters`], [`DeadLetter`] |
/// | a question that is answered | [`EventBus::request`], [`EventBus::answer`] |
/// | no bus at hand | [`dispatch`](dispatch()), [`EventBus::install`] |
/// | who listens, and what passes, for a tool | [`EventBus::subscriptions`], [`EventBus::watch`] |
/// | what is known of an emission | [`Metadata`], [`TraceContext`] |
/// | the form of other services | [`Envelope`], [`EnvelopeLimits`] |
///
/// The manual: [events](crate::guide::events), [topics](crate::guide::topics).
pub mod events {
    // An event, and what is known of it.
    #[doc(inline)]
    pub use convoke_actors::{
        Envelope, EnvelopeError, EnvelopeLimits, Event, JsonEvent, Metadata, Name, Pattern, Replay, Secret, TopicError,
        TraceContext, TraceError,
    };

    // The bus, who listens, and what becomes of an event.
    #[doc(inline)]
    pub use convoke_actors::{
        Answer, AskError, BadPayload, DeadLetter, DeadLetters, DispatchError, Emitted, Emitting, EventBus,
        EventBusBuilder, Heard, Hears, Installed, Listen, ListenError, Listener, ListenerError, ListenerResult,
        Listening, Overflow, Permanent, PublishError, Published, Reason, RedriveError, Report, Request, RequestAll,
        Requesting, RequestingAll, Subscription, SubscriptionId, SubscriptionInfo, TooDeep, Unheeded, Watching,
        dispatch, listener,
    };

    // What listeners are given, and what stands around them.
    #[doc(inline)]
    pub use convoke_actors::middleware;
    #[doc(inline)]
    pub use convoke_actors::{Call, Container, ContainerBuilder, ContainerError, Handling, Inject, Middleware, Next};

    // What the signatures above are made of.
    #[doc(inline)]
    pub use convoke_actors::{Argument, IntoAnswer, Patterns};
}

/// Services: actors that subscribe when they start, clean up when they stop, and come back when they fail.
///
/// | for | see |
/// |---|---|
/// | what a service declares | [`BaseService`] |
/// | one that is kept alive | [`BaseService::supervised`], [`Supervised`], [`Restart`], [`Backoff`], [`Budget`], [`OnError`] |
/// | sending to it while it restarts | [`ServiceAddr`] |
/// | several that fall together | [`Supervisor`], [`Strategy`] |
/// | an application: order of start, shutdown as one | [`Services`], [`Shutdown`], [`shutdown_signal`] |
/// | `/healthz` and `/readyz` | [`Health`], [`HealthReport`] |
/// | the tree of services, with restarts and their causes, for a tool | [`ServicesHandle::tree`], [`ServiceView`] |
///
/// The manual: [services](crate::guide::services), [an application](crate::guide::application).
pub mod services {
    #[doc(inline)]
    pub use crate::shutdown::{ShutdownSignal, shutdown_signal};

    // A service, who keeps it alive, and what is known of it.
    #[doc(inline)]
    pub use convoke_actors::{
        Backoff, BaseService, Budget, BudgetLeft, Health, HealthReport, OnError, OnFailed, Restart, ServiceAddr,
        ServiceChange, ServiceContext, ServiceError, ServiceHandle, ServiceState, ServiceStatus, ServiceTree,
        ServiceView, Services, ServicesError, ServicesHandle, Shutdown, ShutdownReport, StartError, Strategy,
        Subscriptions, Supervised, Supervisor, SupervisorHandle,
    };

    // What the signatures above are made of.
    #[doc(inline)]
    pub use convoke_actors::{IntoChild, IntoService};
}

/// Delivery: a route has events leave the process by a server, and a worker has what comes from a server heard.
///
/// | for | see |
/// |---|---|
/// | an event that leaves the process | [`Route`] |
/// | an event that leaves if, and only if, a transaction commits | [`Outbox`], [`Relay`] |
/// | events that are kept, in order, and read or told again | [`Store`], [`Position`], [`nothing_since`], [`Replaying`] |
/// | rows that follow from them | [`Project`], [`Projection`] |
/// | what comes from outside | [`Worker`], [`OnUnknown`] |
/// | when a delivery is tried again | [`Retry`] |
/// | an event that must not be handled twice | [`Inbox`] |
/// | dead letters of a server | [`transport::redrive`] |
/// | the servers | [`transport`] |
///
/// The manual: [events that leave](crate::guide::leaving), [an event and its row](crate::guide::outbox), [what has happened,
/// again](crate::guide::store), [servers](crate::guide::servers).
pub mod delivery {
    #[doc(inline)]
    pub use crate::codec::{Leaves, Outgoing};
    #[doc(inline)]
    pub use crate::outbox::{
        Outbox, OutboxBuilder, OutboxDatabase, OutboxError, OutboxFigures, OutboxLetter, Relay, RelayHealth,
        RelayProbe, RelayService, SqlValue, Statement,
    };
    #[doc(inline)]
    pub use crate::route::{Route, RouteError};
    #[doc(inline)]
    pub use crate::store::{
        Append, Condition, Edition, NoPosition, Position, Progress, Project, Projection, ProjectionBuilder,
        ProjectionDatabase, ProjectionError, ProjectionFault, ProjectionService, Read, Reading, Recorded, ReplayError,
        ReplayFault, Replayed, Replaying, Store, StoreBuilder, StoreDatabase, StoreError, nothing_since,
    };
    #[doc(inline)]
    pub use crate::transport::contract::{Inbox, MemoryInbox, Retry};
    #[cfg(feature = "postgres")]
    #[doc(inline)]
    pub use crate::transport::{PostgresInbox, PostgresInboxBuilder};
    #[cfg(feature = "sqlite")]
    #[doc(inline)]
    pub use crate::transport::{SqliteInbox, SqliteInboxBuilder};
    #[doc(inline)]
    pub use crate::worker::{OnUnknown, Worker, WorkerActor, WorkerError, WorkerHandle, WorkerHealth, WorkerReport};
}

#[doc(no_inline)]
pub use {delivery::*, events::*, rounds::*, services::*, tasks::*};

// What all subjects use.
#[doc(inline)]
pub use convoke_actors::{Failure, Handled, IntoHandled, LocalContext, Uuid};

#[doc(hidden)]
pub use convoke_actors::__private;

/// What the expansion of `#[derive(Task)]` names.
#[doc(hidden)]
#[path = "tasks/function/derived.rs"]
pub mod __tasks;

/// What most uses need: `use convoke::prelude::*;` beside `use actix::prelude::*;`, with which it shares no name. So
/// [`Supervisor`] is not in it: actix has one too, and `use convoke::Supervisor;` takes ours.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::delivery::{Retry, Route, Worker};
    #[doc(no_inline)]
    pub use crate::events::{
        Answer, Call, DeadLetter, DispatchError, Event, EventBus, Heard, Inject, JsonEvent, Listen, ListenError,
        Listener, Metadata, Next, Overflow, PublishError, Report, Subscription, Unheeded,
    };
    #[doc(no_inline)]
    pub use crate::rounds::{
        Broker, BrokerError, BrokerExt, Brokers, Cancelled, Cause, Close, Consumer, ConsumerHandle, DurableBroker,
        EmitError, Emitter, EmitterExt, EmitterHandle, JoinError, LateJoin, Membership, OnLost, OnTimeout, OnVeto,
        Outcome, Pledge, Release, RepeatEmit, Resolved, RoundKey, Summons,
    };
    #[doc(no_inline)]
    pub use crate::services::{
        Backoff, BaseService, Health, OnError, OnFailed, Restart, ServiceAddr, ServiceContext, ServiceError,
        ServiceHandle, ServiceState, ServiceStatus, Services, ServicesError, ServicesHandle, StartError,
        shutdown_signal,
    };
    #[doc(no_inline)]
    pub use crate::tasks::Task;
    #[doc(no_inline)]
    pub use crate::{Failure, Handled};
    #[doc(hidden)]
    pub use convoke_actors::WriteSupervisedInstead as _;
}

#[cfg(feature = "testing")]
#[doc(inline)]
pub use convoke_actors::{test, testing};
