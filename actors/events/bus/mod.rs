//! The event bus: who registers, who emits, who publishes, and what each of them gets.
//!
//! `on → registering → a seat, and a post in the registry`,
//! `emit → emitting (once it is polled) → publishing (pack) → emitting (call, await) → Report`,
//! `publish → publishing (pack, send) → queues`
//!
//! In reading order: `bus`, the handle; `line`, the three things that a handle holds (the hub, what it says of all that it
//! emits, and what keeps the bus open); `bus_builder`, how one is built; `registering`, who listens; `discovered`, who is marked
//! with `#[listener]`; `giving`, the handle that listeners ask for; `publishing`, how an event is packed, for `emit` too, and how
//! it gets into queues; `published` and `publish_error`, what became of that; `emitting`, who is called and awaited; `giving_up`,
//! who is not awaited any more; `entering`, what comes from another process; `draining`, when nothing is left to do;
//! `dead_letters`, how users look at the dead letters, take them and redrive them; `dispatch`, the function that emits on the bus
//! installed for the running system.
//!
//! An emission reads a snapshot of who listens on the caller's thread and hands one `Arc` to each arbiter concerned. No room
//! above this one in the list of `events` names it: what they need of a bus is in the hub. A bus closes with its last handle.

mod bus;
mod line;
mod bus_builder;
mod registering;
#[cfg(feature = "discover")]
mod discovered;
mod giving;
mod publishing;
mod publish_error;
mod published;
mod emitting;
mod giving_up;
mod entering;
mod draining;
mod dead_letters;
mod dispatch;

pub use bus::EventBus;
#[cfg(feature = "testing")]
pub(crate) use bus::buses_here;
pub use bus_builder::EventBusBuilder;
pub use dead_letters::{DeadLetters, RedriveError};
#[cfg(feature = "discover")]
pub use discovered::Discovered;
pub use dispatch::{DispatchError, Installed, dispatch};
pub use emitting::Emitting;
pub use publish_error::PublishError;
pub use published::Published;
pub(crate) use registering::{topics, typed};
