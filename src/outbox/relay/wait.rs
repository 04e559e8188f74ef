//! Waits that are shorter than a clock of tokio's counts.

use std::time::Duration;

/// Below this a wait of tokio's takes several times as long.
const SHORT: Duration = Duration::from_millis(2);

/// Waits for so long. Where the time of a test passes, it is that time.
pub(super) async fn wait(duration: Duration) {
    if duration >= SHORT || crate::__private::is_virtual() {
        return tokio::time::sleep(duration).await;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "it blocks a thread that is for that, and never in the time of a test"
    )]
    let sleep = move || std::thread::sleep(duration);
    // A thread of the pool for what blocks can count microseconds. If this is dropped, it is back soon.
    let slept = tokio::task::spawn_blocking(sleep).await;
    if slept.is_err() {
        // The runtime ends.
        tokio::time::sleep(duration).await;
    }
}
