//! What an application provides, and what listeners are given of it.
//!
//! `EventBus::builder().provide(…) → ContainerBuilder → Container → a constructor, which gets what it needs → Inject<T>`
//!
//! In reading order: `inject`, what is given; `container`, who gives it; `step`, the constructors that run; `source`, what a
//! listener keeps of it; `container_builder`, how it is provided, replaced and taken out; `container_error`, what may go wrong.
//!
//! It knows nothing of events. What is built once is read without a lock; one constructor runs at a time, on the thread that
//! needs its value first, and one that needs itself is an error and no deadlock.

mod inject;
mod container;
mod step;
mod source;
mod container_builder;
mod container_error;
#[cfg(test)]
mod tests;

pub use container::Container;
pub use container_builder::ContainerBuilder;
pub use container_error::ContainerError;
pub use inject::Inject;
pub use source::Source;
