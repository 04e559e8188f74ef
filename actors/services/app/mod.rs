//! DOOR

mod services;
mod services_error;
mod shutdown;
mod health;

pub(crate) use health::Pulse;
pub use health::{Health, HealthReport};
pub use services::{Services, ServicesHandle};
pub use services_error::ServicesError;
pub use shutdown::{Shutdown, ShutdownReport};
