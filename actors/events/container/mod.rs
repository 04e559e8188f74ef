//! DOOR

mod container;
mod container_builder;
mod container_error;

pub use container::{Container, Inject, Source};
pub use container_builder::ContainerBuilder;
pub use container_error::ContainerError;
