//! DOOR

mod restart;
mod supervisor;
mod group;
mod supervision;
pub(crate) mod keeper;
mod child;

pub(crate) use child::{Child, LocalFuture};
pub(crate) use keeper::{Keeper, ToKeeper};
pub use restart::{Backoff, Budget, Restart};
pub(crate) use supervision::Keeping;
pub use supervision::Strategy;
pub use supervisor::{IntoChild, Supervisor, SupervisorHandle};
