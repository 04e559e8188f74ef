//! Who keeps services alive.
//!
//! `a child ends → News → Keeping ─ is there budget? → start it, and those that the strategy says; or give up → above`
//!
//! - `keeper`: how a keeper is reached, and what it has been told.
//! - `supervision`: the keeper: starts in order, builds anew what has fallen, gives up beyond the budget.
//! - `supervisor`: several services that fall and rise together, as a user declares them.
//! - `group`: the same in its place in a tree: a life whose actors are other lives.
//!
//! What must always hold: whoever waits for an end is told of it; an order to stop is heard in whatever a keeper does; what
//! has failed for good stays down until the keeper above starts it.

mod keeper;
mod supervision;
mod supervisor;
mod group;

pub(crate) use keeper::Keeper;
#[cfg(feature = "testing")]
pub(crate) use keeper::keepers_here;
pub(crate) use supervision::Keeping;
pub use supervision::Strategy;
pub use supervisor::{IntoChild, Kept, Supervisor, SupervisorHandle};
