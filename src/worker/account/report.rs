//! What a worker has done, so far or until it ended.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What a worker has done since its start. Each delivery counts once: `received` is the sum of all that follow, but for those
/// that are still here, and for `kept`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkerReport {
    /// The name of its source.
    pub source: String,
    /// How many deliveries it was lent.
    pub received: u64,
    /// Those of which every listener was done.
    pub done: u64,
    /// Those that were [done before](crate::Worker::deduplicate).
    pub duplicates: u64,
    /// Those that nobody listened to, which were to be [ignored](crate::OnUnknown::Ignore).
    pub ignored: u64,
    /// Those that come again after a wait.
    pub retried: u64,
    /// Those that are dead letters.
    pub dead: u64,
    /// Those that were given back untouched.
    pub released: u64,
    /// Those that come again because their lease or the connection was lost, or their end could not be told.
    pub lost: u64,
    /// How often a verdict could not be stored, and was kept until it could: those are counted above too, as they ended.
    pub kept: u64,
    /// Whether all that was being heard was finished in time when it ended; true until then.
    pub drained: bool,
    /// How long it took to end; none until then.
    pub took: Duration,
}

impl WorkerReport {
    /// Of a worker that has ended before it has begun.
    pub(crate) fn of_nothing(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            received: 0,
            done: 0,
            duplicates: 0,
            ignored: 0,
            retried: 0,
            dead: 0,
            released: 0,
            lost: 0,
            kept: 0,
            drained: true,
            took: Duration::ZERO,
        }
    }
}

impl fmt::Display for WorkerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, received, done, retried, dead, .. } = self;
        write!(f, "{source}: {received} received, {done} done, {retried} to be tried again, {dead} dead")?;
        for (count, what) in [
            (self.duplicates, "done before"),
            (self.ignored, "ignored"),
            (self.released, "given back"),
            (self.lost, "lost"),
            (self.kept, "kept meanwhile"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if !self.drained {
            f.write_str("; not all was finished in time")?;
        }
        Ok(())
    }
}
