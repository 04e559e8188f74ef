//! The event bus: who registers, who emits, who publishes, and what each of them gets.
//!
//! `on → registering → a seat`, `emit → publishing (pack) → emitting → Report`, `publish → publishing (pack, send) → queues`
//!
//! In reading order: `bus`, the handle; `line`, what it is made of; `bus_builder`, how one is built; `registering`, who listens;
//! `discovered`, who is marked with `#[listener]`; `giving`, the handle that listeners ask for; `publishing`, who hears an event,
//! and their queues; `publish_error`; `emitting`, who is called and awaited; `giving_up`, who is not awaited any more;
//! `entering`, what comes from another process; `draining`, when nothing is left to do; `dead_letters`, what nobody did;
//! `dispatch`, the bus of a running system.
//!
//! An emission reads a snapshot of who listens on the caller's thread and hands one `Arc` to each arbiter concerned. Nothing
//! below this room names it; it closes with its last handle.

mod bus;
mod line;
mod bus_builder;
mod registering;
#[cfg(feature = "discover")]
mod discovered;
mod giving;
mod publishing;
mod publish_error;
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
pub(crate) use registering::{topics, typed};
