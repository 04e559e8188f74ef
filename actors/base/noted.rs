//! By which a failure is known that a test has to look at, to whoever shows it.

/// The failure that something tells of. Without the feature `testing` it is nothing, and takes no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted(#[cfg(feature = "testing")] pub(super) u64);

impl Noted {
    /// It was looked at. Whoever looks twice at the same has not looked at another that is like it.
    #[cfg(feature = "testing")]
    pub(crate) fn seen(self) {
        super::unseen::saw(self);
    }

    /// Nobody has to look at it.
    #[cfg(not(feature = "testing"))]
    #[inline]
    pub(crate) fn seen(self) {}
}
