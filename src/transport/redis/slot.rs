//! What goes on though nobody waits for it: a future that stays where it is until somebody waits again.
//!
//! `slot: Some(future) → pending (may be dropped) → its result, and when that came`

use std::future::poll_fn;
use std::task::Poll;

use tokio::time::Instant;

use crate::transport::BoxFuture;

/// Notes when nobody waits any more, also when that is because the wait was dropped.
pub(super) struct Left<'a>(pub(super) &'a mut Instant);

impl Left<'_> {
    /// When something came that is there before anybody has begun to wait again: after this.
    pub(super) fn arrival(&self) -> Instant {
        *self.0
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        *self.0 = Instant::now();
    }
}

/// Waits for what is in there, and takes it out; for ever if there is nothing. Says as well when it came: now, or if it is
/// there at once, not before `earliest`.
pub(super) async fn pending<T>(slot: &mut Option<BoxFuture<'static, T>>, earliest: Instant) -> (T, Instant) {
    let mut at = Some(earliest);
    let ready = poll_fn(|cx| {
        let Some(future) = slot else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            at = None;
        }
        polled
    });
    let ready = ready.await;
    *slot = None;
    (ready, at.unwrap_or_else(Instant::now))
}
