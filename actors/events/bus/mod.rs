//! DOOR

mod bus;
mod bus_builder;
mod hub;
mod entering;
mod emitting;
pub(crate) mod publishing;
mod dispatch;
mod draining;
mod waiters;
mod retained;

pub use bus::EventBus;
pub(crate) use bus::{topics, typed};
pub use bus_builder::EventBusBuilder;
pub use dispatch::{DispatchError, Installed, dispatch};
pub use emitting::Emitting;
pub(crate) use hub::Hub;
pub use publishing::PublishError;
pub(crate) use publishing::publish_again;
