//! By what jobs are found in a database: numbers in place of names, so that an index is short and the same for all names.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::tasks::{Due, Limit, Wanted};

/// The longest wait, and what stands for ever: a century.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// No time is later, in µs since 1970: a bit less than the year 2500.
const LAST: i64 = 16_000_000_000_000_000;
/// How many that became due are made ready by one lending, at least and at most.
const WAKES: std::ops::RangeInclusive<usize> = 32..=500;

/// The number of the jobs of one task in one queue, the same in every process and every release.
pub(in crate::tasks) fn lane_of(queue: &str, task: &str) -> i64 {
    xxh3_64_with_seed(task.as_bytes(), xxh3_64_with_seed(queue.as_bytes(), 0)).cast_signed()
}

/// The number of a key of a task, in whichever queue. Two of one number would share a limit.
pub(in crate::tasks) fn key_of(task: &str, key: &str) -> i64 {
    xxh3_64_with_seed(key.as_bytes(), number_of(task)).cast_signed()
}

fn number_of(task: &str) -> u64 {
    xxh3_64_with_seed(task.as_bytes(), 1)
}

/// A lane that a worker wants.
#[derive(Clone, Copy, Debug)]
pub(in crate::tasks) struct Lane {
    pub(in crate::tasks) number: i64,
    /// The number of its task.
    #[cfg(feature = "postgres")]
    pub(in crate::tasks) task: i64,
    pub(in crate::tasks) limit: Limit,
}

impl Lane {
    /// All that are wanted.
    pub(in crate::tasks) fn all(wanted: &Wanted) -> Vec<Self> {
        let limits: HashMap<&Arc<str>, Limit> = wanted.limits.iter().map(|(task, limit)| (task, *limit)).collect();
        let lane = |queue: &Arc<str>, task: &Arc<str>| Self {
            number: lane_of(queue, task),
            #[cfg(feature = "postgres")]
            task: number_of(task).cast_signed(),
            limit: limits.get(task).copied().unwrap_or_default(),
        };
        wanted.queues.iter().flat_map(|queue| wanted.tasks.iter().map(move |task| lane(queue, task))).collect()
    }

    pub(in crate::tasks) fn is_limited(&self) -> bool {
        self.limit != Limit::default()
    }

    /// How many of a key may run at the same time.
    pub(in crate::tasks) fn at_once(&self) -> Option<i64> {
        self.limit.at_once.map(i64::from)
    }

    /// How many of a key may begin at once, and how long one of them takes to be free again, in µs.
    pub(in crate::tasks) fn rate(&self) -> Option<(i64, i64)> {
        self.limit.rate.map(|(most, time)| {
            let most = most.max(1);
            (most.into(), micros(time / most).max(1))
        })
    }
}

/// How many of those that became due are made ready where so many are wanted: more, so that none waits for ever behind others.
pub(in crate::tasks) fn wakes(most: usize) -> i64 {
    let wakes = most.saturating_mul(2).clamp(*WAKES.start(), *WAKES.end());
    wakes.try_into().unwrap_or(i64::MAX)
}

/// In µs, rounded up: nothing ends before its time.
pub(in crate::tasks) fn micros(time: Duration) -> i64 {
    let time = time.min(FOREVER);
    let part = i64::from(!time.subsec_nanos().is_multiple_of(1000));
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX).saturating_add(part)
}

/// A time of a database, in µs; one before it is none.
#[cfg(feature = "postgres")]
pub(in crate::tasks) fn time_of(micros: i64) -> Duration {
    Duration::from_micros(micros.try_into().unwrap_or_default())
}

/// As statements of PostgreSQL have it: a time in µs since 1970; or less than 0, of which -1 is now, and -1 - n in n µs.
#[cfg(feature = "postgres")]
pub(in crate::tasks) fn wait_of(due: Due) -> i64 {
    match due {
        Due::After(wait) => -1 - micros(wait),
        // One that is over is now, by the clock of the server; the latest that there is stays one.
        due @ Due::At(_) => due.from(0),
    }
}

impl Due {
    /// When it is due, in µs since 1970, if it is `now`.
    pub(in crate::tasks) fn from(self, now: i64) -> i64 {
        match self {
            Self::After(wait) => now.saturating_add(micros(wait)).min(LAST.max(now)),
            Self::At(at) => at.min(LAST).max(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change() {
        // They are in databases.
        assert_eq!(lane_of("default", "SendWelcome"), lane_of("default", "SendWelcome"));
        assert_ne!(lane_of("a", "b"), lane_of("b", "a"));
        assert_ne!(lane_of("ab", "c"), lane_of("a", "bc"));
        assert_ne!(key_of("Mail", "7"), key_of("Bill", "7"));
        assert_ne!(key_of("Mail", ""), lane_of("", "Mail"));
    }

    #[test]
    fn no_time_is_beyond_what_a_database_knows() {
        assert_eq!(Due::After(Duration::MAX).from(1_000), 1_000 + micros(FOREVER));
        assert_eq!(Due::At(i64::MAX).from(1_000), LAST);
        assert_eq!(Due::At(i64::MIN).from(1_000), 1_000);
        assert_eq!(Due::At(2_000).from(1_000), 2_000);
        assert_eq!(micros(Duration::from_nanos(1)), 1);
        #[cfg(feature = "postgres")]
        assert_eq!(time_of(-1), Duration::ZERO);
    }
}
