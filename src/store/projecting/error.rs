//! Why a projection goes no further.

use std::fmt;

use crate::__private::{Shown, debug_is_display};
use crate::store::{Position, StoreError};
use crate::transport::TransportError;

/// The reason why a projection goes no further. What was committed before stays.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ProjectionError {
    /// The name of the projection.
    pub projection: String,
    /// What is wrong.
    pub fault: ProjectionFault,
}

/// What is wrong with a projection.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ProjectionFault {
    /// The store cannot be read, or a record of it; or the projection was made from another store.
    Store(StoreError),
    /// [`apply`](super::Project::apply) has failed or panicked on a record.
    Apply {
        /// The record.
        position: Position,
        /// Why.
        reason: String,
    },
    /// Its rows were made of other records than it reads now, for its topics, its thing or its time were changed; or by another
    /// [version](super::ProjectionBuilder::version) of it. What was applied before is not applied again, so
    /// [rebuild](super::Projection::rebuild) it.
    OtherRecords,
    /// The edition that was being built was given up by another program, which reads something else or has another
    /// [version](super::ProjectionBuilder::version), and builds its own.
    GivenUp,
    /// The edition that was to be built beside the present one has the rows of the present one, as neither
    /// [`prepare`](super::Project::prepare) nor [`apply`](super::Project::apply) asks which edition it is. Nothing was applied.
    SharedRows,
    /// [`prepare`](super::Project::prepare) or [`retire`](super::Project::retire) has failed or panicked.
    Tables(String),
    /// The database of its rows refused, or could not be reached.
    Database(TransportError),
}

impl ProjectionError {
    /// Returns whether another attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        match &self.fault {
            ProjectionFault::Store(error) => error.is_temporary(),
            ProjectionFault::Database(error) => error.is_temporary(),
            _ => false,
        }
    }
}

impl fmt::Display for ProjectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projection `{}`: {}", Shown::name(&self.projection), self.fault)
    }
}

impl fmt::Display for ProjectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Apply { position, reason } => {
                write!(f, "it does not get beyond the record at {position}: {}", Shown::text(reason))
            }
            Self::OtherRecords => f.write_str(
                "its rows were made of other topics, of another thing or of another time than it reads now, or by another version of \
                 it: call `rebuild()`",
            ),
            Self::GivenUp => f.write_str(
                "another program, which reads something else or has another version, has begun to rebuild it meanwhile: see that \
                 only one of them does",
            ),
            Self::SharedRows => f.write_str(
                "neither `prepare` nor `apply` asks which edition it is, so that what is built beside the present rows would be \
                 added to them: name tables by `edition.table(…)`, or have `edition.number()` in a column",
            ),
            Self::Tables(reason) => write!(f, "its rows are not made or removed: {}", Shown::text(reason)),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProjectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            ProjectionFault::Store(error) => Some(error),
            ProjectionFault::Database(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(ProjectionError);
debug_is_display!(ProjectionFault);

impl From<StoreError> for ProjectionFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TransportError> for ProjectionFault {
    fn from(error: TransportError) -> Self {
        Self::Database(error)
    }
}
