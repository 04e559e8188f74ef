//! Work, counted: what a test of cost looks at instead of a clock, which would measure the machine and its neighbors.
//!
//! `loop or comparison → step → steps ← test`
//!
//! A step stands wherever the number of turns depends on how many others there are: whoever is asked whether he has
//! something to do, a node of the index that is entered, two keys that are compared. Without the feature `testing` it is
//! nothing.

use std::cmp::Ordering;

#[cfg(feature = "testing")]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts one.
#[inline]
pub(crate) fn step() {
    #[cfg(feature = "testing")]
    let _ = STEPS.try_with(|steps| steps.set(steps.get().wrapping_add(1)));
}

/// How many this thread has counted.
#[cfg(feature = "testing")]
pub(crate) fn steps() -> u64 {
    STEPS.get()
}

/// A key whose comparisons are steps, so that a search among many is seen however it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<T>(pub(crate) T);

impl<T: Ord> Ord for Counted<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        step();
        self.0.cmp(&other.0)
    }
}

impl<T: Ord> PartialOrd for Counted<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Counted<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Counted<T> {}
