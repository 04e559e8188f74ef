//! How a service is, as others see it.
//!
//! `Standing::enter → the table of states → Record (for every thread) → service/status (on the bus)`
//!
//! - `state`: what it can be doing, and what may follow what.
//! - `status`: that, since when, and what went wrong: the event.
//! - `standing`: the status of one service, told at each change.
//! - `meter`: what is measured of it.
//! - `history`: its last changes, and the restarts that it has left.
//! - `pulse`: whether the arbiter answers, and which service is at work on it.
//! - `start_error`, `service_error`: why it does not run, and why it did nothing with a message.
//!
//! What must always hold: no state is entered that the table does not have, and none without being told.

mod state;
mod status;
mod meter;
mod history;
mod standing;
mod pulse;
mod start_error;
mod service_error;

pub use history::{BudgetLeft, ServiceChange};
pub(crate) use meter::Fall;
pub(crate) use pulse::{Pulse, work_at};
pub use service_error::ServiceError;
pub(crate) use standing::{Record, Standing};
pub use start_error::StartError;
pub use state::ServiceState;
pub use status::ServiceStatus;
pub(crate) use status::is_ready;
