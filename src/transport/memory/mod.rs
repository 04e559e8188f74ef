//! A queue in this process, with every ability: what a test has in place of a server.
//!
//! `MemoryQueue → Store → Line (one for each group) → Delivery → Loan → Store`
//!
//! In reading order: `memory` makes queues, `queue` is what users hold, `store` what all its clones share, `line` what waits
//! for one group, and `parking` what is dead there and stays in its place. `wake` is whom to wake then. `database` has
//! queues by name, and `inbox` says which events were done: both are of a database in this process, `crate::sql::memory`. `look` is what
//! whoever looks at a queue sees.
//!
//! It keeps the whole contract, so it is the place to look at before another transport is written.

mod memory;
mod queue;
mod store;
mod line;
mod parking;
mod wake;
mod database;
mod inbox;
mod look;

pub use inbox::MemoryDatabaseInbox;
pub(crate) use look::Tap;
pub use memory::Memory;
pub use queue::MemoryQueue;
