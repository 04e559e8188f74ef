//! Who works on a queue.

use std::time::Duration;

/// Who works on a queue, as far as the server tells. What it does not tell is `None`.
///
/// Redis knows each consumer of a group by its name, in which this crate writes the number of the process. RabbitMQ tells how many there
/// are, and SQLite, PostgreSQL, SQS and a queue in memory tell nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerFigures {
    /// The queue, as [`QueueFigures::name`](super::QueueFigures::name).
    pub queue: String,
    /// The name by which the server knows the worker. `None` if it only counts them.
    pub name: Option<String>,
    /// The number of its process, if the name says so. Processes on two machines may have the same number.
    pub process: Option<u32>,
    /// How many workers these are: one if it has a name.
    pub count: u64,
    /// How many packets it has been lent.
    pub in_flight: Option<u64>,
    /// How long ago it last asked for something.
    pub idle: Option<Duration>,
}

impl WorkerFigures {
    #[cfg(any(feature = "redis", feature = "rabbitmq"))]
    pub(super) fn of(queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), ..Self::default() }
    }
}

/// The number in a name as a subscriber of ours has it: `convoke-4711-…`.
#[cfg(feature = "redis")]
pub(super) fn process_of(name: &str) -> Option<u32> {
    let (process, chance) = name.strip_prefix("convoke-")?.split_once('-')?;
    process.parse().ok().filter(|_| chance.len() == 32 && chance.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_of_our_own_names_alone() {
        assert_eq!(process_of(&format!("convoke-4711-{:032x}", 7)), Some(4711));
        for other in ["convoke-4711-7", "convoke-4711", "worker-4711-1", "convoke:later", "convoke--1", ""] {
            assert_eq!(process_of(other), None, "{other}");
        }
    }
}
