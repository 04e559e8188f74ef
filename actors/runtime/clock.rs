//! What time it is, the instant and the date, either of which a test may hold; and how long something may take.

#[cfg(feature = "testing")]
use std::cell::Cell;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Waits beyond this are waits for ever: a century, which no clock here overflows on.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The time, which a test may have stopped.
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// `start + wait`, but never past what an `Instant` can hold.
#[inline]
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOREVER)
}

#[cfg(feature = "testing")]
thread_local! {
    /// When the virtual time of this thread started, if a test runs in it.
    static VIRTUAL_START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What virtual time starts at, since 1970: 2026-01-01T00:00:00Z.
#[cfg(feature = "testing")]
const VIRTUAL_EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Whether a test runs on this thread in virtual time.
pub(crate) fn is_virtual() -> bool {
    #[cfg(feature = "testing")]
    if VIRTUAL_START.get().is_some() {
        return true;
    }
    false
}

/// Whether the clock of this thread stands still: one of `#[convoke::test]`, or of tokio that was paused. Looks for up to a
/// millisecond, so it is for who has waited in vain.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn stands_still() -> bool {
    if is_virtual() {
        return true;
    }
    let (held, real) = (Instant::now(), std::time::Instant::now());
    while real.elapsed() < Duration::from_millis(1) {
        if Instant::now() != held {
            return false;
        }
        std::hint::spin_loop();
    }
    true
}

/// The date; in virtual time one that is the same in every run and goes with [`now`].
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn wall_clock() -> SystemTime {
    #[cfg(feature = "testing")]
    if let Some(start) = VIRTUAL_START.get() {
        return SystemTime::UNIX_EPOCH + VIRTUAL_EPOCH + now().duration_since(start);
    }
    SystemTime::now()
}

/// While this lives, the date of its thread is that of virtual time, which starts now.
#[cfg(feature = "testing")]
#[must_use]
pub(crate) struct VirtualDate(Option<Instant>);

#[cfg(feature = "testing")]
impl VirtualDate {
    pub(crate) fn start() -> Self {
        Self(VIRTUAL_START.replace(Some(now())))
    }
}

#[cfg(feature = "testing")]
impl Drop for VirtualDate {
    fn drop(&mut self) {
        VIRTUAL_START.set(self.0);
    }
}

/// What the future gives, or `None` if it takes longer than this. Outside a runtime with a clock it may take as long as
/// it will.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => tokio::time::timeout_at(after(now(), limit), future).await.ok(),
        Err(_) => Some(future.await),
    }
}
