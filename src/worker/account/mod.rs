//! What a worker says of itself: its report, its figures, and why it did not start.
//!
//! `what became of a delivery → report.rs → whoever runs it`, `→ meter.rs → the recorder of the crate metrics`
//!
//! In reading order: `report`, `meter`, `error`. Every delivery is counted once.

mod report;
mod meter;
mod error;

pub use error::WorkerError;
pub(crate) use meter::Meter;
pub use report::WorkerReport;
