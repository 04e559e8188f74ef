//! Where the jobs of a function are kept: in a database, or in a queue of a server.
//!
//! `Tasks::new(&db, …) | Tasks::over(&queue, …) → TaskPlace → what an attempt has there`

use super::call::Kit;
use crate::tasks::TaskDatabase;

/// Where the jobs of a function are kept: a [database](TaskDatabase), or [a queue](Queued).
pub trait TaskPlace: sealed::Equips {}

impl<P: sealed::Equips> TaskPlace for P {}

/// A queue of a server, as the place where jobs are kept: see [`Tasks::over`](crate::Tasks::over). It stands where a database
/// would, and has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {}

pub(in crate::tasks) mod sealed {
    /// Nobody outside may say what is there.
    pub trait Equips: Sized + 'static {
        /// What arguments of a function are taken from.
        type Kit: 'static;
    }
}

impl<D: TaskDatabase> sealed::Equips for D {
    type Kit = Kit<D>;
}
