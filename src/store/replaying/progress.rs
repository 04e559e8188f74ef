//! How far a replay is, and what came of it.

use crate::store::Position;

/// How far a [replay](super::Replaying) or a [projection](crate::Projection) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The last record that is done. Taken up again [after](super::Replaying::after) it, nothing is missed.
    pub position: Position,
    /// The last record of the store, when this was looked up.
    pub last: Position,
    /// How many records were told; those of other topics are not counted.
    pub told: u64,
}

impl Progress {
    /// Returns how many records of the store are behind the last one that is done, whatever their topics.
    pub fn left(&self) -> u64 {
        self.last.number().saturating_sub(self.position.number())
    }
}

/// What came of a replay that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The last record that was told; where it began if there was none.
    pub position: Position,
    /// How many records were told.
    pub told: u64,
    /// How many of them somebody has failed on; only if the replay [goes on](super::Replaying::keep_going) then.
    pub failed: u64,
}
