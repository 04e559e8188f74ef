//! A worker of tasks: jobs are lent, their functions run, and what ends goes back together with its events.
//!
//! ```text
//! engine.rs: lend ─▶ attempt.rs: cancelled? expired? else the function ─▶ ending.rs: done, again, failed ─▶ engine.rs: settle
//!                    leases are renewed, wishes to cancel heard         its event ─▶ the outbox ─▶ to_bus.rs | a relay of the user's
//! ```
//!
//! In reading order: `options` is what it goes by; `engine` is its one task, and `held` what it has; `attempt` runs a function, and
//! `ending` says what becomes of that; `settling` ends many together, and `removing` what does not end with others; `ticker` enqueues what is due again and
//! again, and `unclaimed` is what nobody does. `health` and `service` are as with a worker; `to_bus` has the bus of this process
//! hear how jobs have ended. `meter` is what is measured. `batches` looks after those of the database, and `closing` is where what waits for them goes.
//!
//! An attempt ends by one statement that is fenced by its number, in one transaction with its event. What is not settled comes
//! again when its lease ends.

mod options;
mod engine;
mod held;
mod attempt;
mod ending;
mod removing;
mod settling;
mod health;
mod meter;
mod unclaimed;
mod service;
mod ticker;
mod to_bus;
mod closing;
mod batches;

pub(super) use ending::{after, leaving, tell, wait};
pub(super) use health::Stats;
pub use health::{TasksHealth, TasksProbe};
pub(super) use meter::{Came, OfTask};
pub(super) use options::{FAR, Options};
pub(super) use service::Parts;
pub use service::TasksService;
pub(super) use ticker::Every;
pub(super) use to_bus::ToBus;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::function::Does;
use super::{TaskDatabase, TaskQueue};
use crate::{EventBus, Outbox};

/// What the parts of a worker have in common, on its one thread.
pub(super) struct Shared<D: TaskDatabase> {
    pub(super) queue: TaskQueue<D>,
    pub(super) outbox: Outbox<D>,
    pub(super) bus: EventBus,
    /// By the name of the task.
    pub(super) functions: Rc<HashMap<&'static str, Rc<dyn Does<D>>>>,
    pub(super) options: Options,
    pub(super) stats: Arc<Stats>,
    meter: meter::Meter,
    pub(super) schedules: Rc<[Every]>,
}
