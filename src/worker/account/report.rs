//! What a worker has done, so far or until it ended.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What a worker has done since its start.
///
/// Each delivery counts once: `received` is the sum of the following counts and of the deliveries that the worker still
/// has. `kept` and `in_place` are not part of that sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkerReport {
    /// The name of the worker's source.
    pub source: String,
    /// The number of deliveries that the worker was lent.
    pub received: u64,
    /// The number of deliveries that every listener was done with.
    pub done: u64,
    /// The number of deliveries whose event was [handled before](crate::Worker::deduplicate).
    pub duplicates: u64,
    /// The number of deliveries without a listener that were [ignored](crate::OnUnknown::Ignore).
    pub ignored: u64,
    /// The number of deliveries that come again after a wait.
    pub retried: u64,
    /// The number of deliveries that became dead letters.
    pub dead: u64,
    /// The number of deliveries that were given back untouched.
    pub released: u64,
    /// The number of deliveries that come again because their lease or the connection was lost, or because the server
    /// could not be told how they ended.
    pub lost: u64,
    /// How often the server did not take a verdict at first, and the worker kept it until the server did. These
    /// deliveries are counted above too, by how they ended.
    pub kept: u64,
    /// How many of the `dead` stay in their places and hold back their keys, because the worker [parks](crate::Worker::park).
    pub in_place: u64,
    /// Whether all running listeners finished in time when the worker ended; `true` until then.
    pub drained: bool,
    /// How long the worker took to end; zero until then.
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
            in_place: 0,
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
            (self.in_place, "of the dead in their places"),
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
