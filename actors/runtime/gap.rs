//! A gap between two steps, in which another thread may come in: nothing, but for the model of the wakes.

/// Another thread may come in here. No lock is held and nothing borrowed, so that whatever comes may push.
#[inline(always)]
pub(super) fn gap() {
    #[cfg(test)]
    super::interleavings::come_in();
}
