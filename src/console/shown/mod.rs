//! What an application says that its console shows, and how it is now.
//!
//! ```text
//! Shown::new("shop").bus(&bus).services(&services)… ─▶ shown.rs ─┬─▶ buses.rs: who listens to what, dead letters, rates
//!                                                                ├─▶ brokers.rs: asked, with a time limit
//!                                                                ├─▶ parts.rs: services, workers, relays, tasks
//!                                                                └─▶ passing.rs: what is emitted, while somebody looks
//! ```
//!
//! In reading order: `shown` is what the application says; `parts` what answers at once; `buses` the buses; `slot` a question that may
//! be answered late, and `brokers` those who are asked; `passing` the last events; `trouble` what is wrong, for the overview; `kept` what
//! others keep with all of it.
//!
//! What must hold: nobody looks, and nothing is done: no listener, no timer, no task. A question that is not answered is not asked
//! again, and makes nobody wait for longer than [`slot::PATIENCE`](slot). Nothing here keeps a broker or a service alive.

mod shown;
mod parts;
mod buses;
mod slot;
mod brokers;
mod passing;
mod trouble;
mod kept;

pub(crate) use brokers::BrokerShown;
pub(crate) use buses::{BusShown, ListenerShown};
pub(crate) use kept::Counted;
pub use kept::Followers;
pub use shown::Shown;
