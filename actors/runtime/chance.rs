//! Chance: new ids and random numbers, which a seed determines.

use uuid::Uuid;

use super::executor::Executor;

/// A random number; under a seed one that the seed determines.
pub(crate) fn random() -> u64 {
    // A seeded id is two random numbers side by side.
    match Executor::here().and_then(|executor| executor.seeded_id()) {
        Some(id) => id.as_u64_pair().0,
        None => fastrand::u64(..),
    }
}

/// A new id, ordered by time; under a seed one that the seed determines.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn new_id() -> Uuid {
    match Executor::here().and_then(|executor| executor.seeded_id()) {
        Some(id) => id,
        None => Uuid::now_v7(),
    }
}
