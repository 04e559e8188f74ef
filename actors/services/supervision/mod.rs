//! Who keeps services alive.
//!
//! `a child ends ─ ToKeeper → Keeping ─ is there budget? → start it, and those that the strategy says`,
//! `no budget → give up ─ ToKeeper → the keeper above`
//!
//! - `letterbox`: a queue of one reader, which is small.
//! - `keeper`: the way to a keeper: its handle, and its mail, which has the ends that `ToKeeper` tells, and orders from above.
//! - `allowance`: the restarts that a keeper has left.
//! - `supervision`: the keeper itself (`Keeping`): it starts in order, builds anew what has fallen, and gives up beyond the budget.
//! - `supervisor`: several services that fall and rise together, as a user declares them.
//! - `group`: the same in its place in a tree: a life whose actors are other lives.
//!
//! What must always hold: whoever waits for an end is told of it; an order to stop is heard in whatever a keeper does; what
//! has failed for good stays down; and nobody is said to have failed for good, or is unsubscribed, whom a keeper above starts
//! again.

mod letterbox;
mod keeper;
mod allowance;
mod supervision;
mod supervisor;
mod group;

pub(crate) use keeper::Keeper;
#[cfg(feature = "testing")]
pub(crate) use keeper::keepers_here;
pub(crate) use supervision::Keeping;
pub use supervisor::{IntoChild, Kept, Supervisor, SupervisorHandle};
