//! By which a failure is known that a test has to look at, to whatever tells of it: a report, a dead letter, a status.

/// The failure that something tells of; none by default. Without the feature `testing` it takes no room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted(#[cfg(feature = "testing")] pub(super) u64);

/// What is told is the same, whichever of many failures it is told of.
impl PartialEq for Noted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Noted {}

impl Noted {
    /// It was looked at. Whoever looks twice at the same has not looked at another that is like it.
    #[inline]
    pub(crate) fn seen(self) {
        #[cfg(feature = "testing")]
        super::unseen::saw(self);
    }
}
