//! What a worker says of itself: its report, how it is, its figures, and why it did not start.
//!
//! `what became of a delivery → report.rs → whoever runs it`, `→ health.rs → a probe`,
//! `→ meter.rs → the recorder of the crate metrics`, `→ copies.rs → a warning`
//!
//! In reading order: `report`, `health`, `meter`, `copies`, `error`. Every delivery is counted once.

mod report;
mod health;
mod meter;
mod copies;
mod error;

pub(crate) use copies::Copies;
pub use error::WorkerError;
pub use health::WorkerHealth;
pub(crate) use health::{Drained, Stats};
pub(crate) use meter::Meter;
pub use report::WorkerReport;
