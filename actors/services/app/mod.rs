//! All services of an application.
//!
//! `Services → levels of what needs what → a keeper each → ServicesHandle → run_until(signal): drain, stop, drain → report`
//!
//! - `services`: started in the order of what they need, stopped in the reverse.
//! - `order`: that order, by levels.
//! - `services_error`: why they do not run.
//! - `shutdown`: what ends them, what hurries them, and what it came to.
//! - `health`: what a probe asks, and the watchdog.
//!
//! What must always hold: what brings in work starts last and stops first; every phase has its deadline; if one does not
//! start, those that have are stopped; `Health` is asked from any thread and waits for none.

mod services;
mod order;
mod services_error;
mod shutdown;
mod health;

pub use health::{Health, HealthReport};
pub use services::{OnFailed, Services, ServicesHandle};
pub use services_error::ServicesError;
pub use shutdown::{Shutdown, ShutdownReport};
