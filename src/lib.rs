//! Coordination for [actix](https://docs.rs/actix): several parties owe a *round* their signal, and the application acts
//! only when all of them have kept their promise in time.
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
//!     let broker = Broker::new(Duration::from_secs(1)).start();
//!     let stock = Emitter::join(&broker, "stock").await?; // known to the broker once this returns
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
//! # How to start
//!
//! Every actor needs an actix system on its thread. `#[actix::main]`, as above, brings one. An application that has a
//! `main` of its own starts one where it needs it:
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
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | the rules of a round: timeouts, limits, policies | [`Broker`], and the policies [`Release`], [`Close`], [`LateJoin`], [`RepeatEmit`], [`OnTimeout`], [`OnLost`] |
//! | one round for each order, user or file | [`Membership::emit_for`], [`RoundKey`] |
//! | being asked for a signal | [`Emitter::on_summons`], [`Pledge`] |
//! | an actor of your own as emitter | [`BrokerExt::add_emitter`], [`EmitterSpec`], [`Summons`], [`Membership`] |
//! | an actor of your own as consumer | [`BrokerExt::add_consumer`], [`Handled`] |
//! | brokers by name, from any thread | [`Brokers`] |
//! | what is open, and who is late | [`BrokerExt::inspect`], [`BrokerSnapshot`] |
//! | how the consumers fared | [`Outcome::consumed`] |
//! | tests that do not sleep | `#[convoke::test]`, the module `testing` |
//!
//! # Features
//!
//! None is on by default.
//!
//! - `testing`: `#[convoke::test]` and the module `convoke::testing`, with virtual time, a check for actors
//!   left alive, and seeds for the order of events. It belongs under `[dev-dependencies]`.
//!
//! # Logging
//!
//! Everything is logged through [`log`](https://docs.rs/log), and nothing at `info`:
//!
//! | target | level | what |
//! |---|---|---|
//! | `convoke::round` | debug | a round opened, a signal was refused, a round closed |
//! | `convoke::broker` | debug | started and gone; who joined, left, was lost or came too late |
//! | | warn | the limit of open rounds is reached |
//! | `convoke::consumer` | warn | a consumer failed, panicked, hung or was gone |
//! | `convoke::runtime` | error | an actor of this crate panicked and is gone |
#![forbid(unsafe_code)]

/// Compiles every snippet of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Who takes part in a round.
#[doc(inline)]
pub use convoke_actors::{
    Broker, BrokerExt, Brokers, Consumer, ConsumerHandle, Emission, Emitter, EmitterExt, EmitterHandle, EmitterSpec,
    Membership, Payload, Pledge, Session, Summons,
};

// What a round goes by.
#[doc(inline)]
pub use convoke_actors::{Close, Gathered, LateJoin, OnLost, OnTimeout, Predicate, Release, RepeatEmit, RoundKey};

// What becomes of it.
#[doc(inline)]
pub use convoke_actors::{Cancelled, Cause, Consumed, FailedConsumer, Kept, Outcome, Resolved, Signal};

// What may be said to an emitter or a broker, as messages.
#[doc(inline)]
pub use convoke_actors::{Abort, Emit, Inspect, Join, Leave, SetTimeout, Stop, Veto};

// What a broker tells of itself.
#[doc(inline)]
pub use convoke_actors::{BrokerSnapshot, DESCRIBED_ROUNDS, EmitterStats, OpenRound, PastRound};

// An event, and what is known of it.
#[doc(inline)]
pub use convoke_actors::{
    Envelope, EnvelopeError, EnvelopeLimits, Event, JsonEvent, Metadata, Name, Pattern, Secret, TopicError,
    TraceContext, TraceError,
};

// The bus, who listens, and what becomes of an event.
#[doc(inline)]
pub use convoke_actors::{
    Answer, AskError, BadPayload, DeadLetter, DeadLetters, DispatchError, Emitting, EventBus, EventBusBuilder, Heard,
    Installed, Listen, ListenError, Listener, ListenerError, ListenerResult, Listening, Overflow, PublishError, Reason,
    RedriveError, Report, Request, RequestAll, Subscription, SubscriptionId, SubscriptionInfo, TooDeep, dispatch,
    listener,
};

// What listeners are given, and what stands around them.
#[doc(inline)]
pub use convoke_actors::middleware;
#[doc(inline)]
pub use convoke_actors::{Call, Container, ContainerBuilder, ContainerError, Handling, Inject, Middleware, Next};

// Errors, and the names of things.
#[doc(inline)]
pub use convoke_actors::{
    BrokerError, BrokerId, ConfigError, ConsumerError, EmitError, EmitterId, EmitterRef, Failure, Handled, JoinError,
    RoundId, Uuid,
};

// What the signatures above are made of.
#[doc(inline)]
pub use convoke_actors::{
    Argument, Consume, ConsumingActor, FromOutcome, IntoAnswer, IntoConsumer, IntoHandled, LocalContext, Patterns,
};

#[doc(hidden)]
pub use convoke_actors::__private;

#[doc(inline)]
pub use convoke_actors::prelude;

#[cfg(feature = "testing")]
#[doc(inline)]
pub use convoke_actors::{test, testing};
