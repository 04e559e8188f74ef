//! How much SQLite does for a statement, for tests of what must not grow with the rows that there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::SqliteConnection;

/// How many hundreds of its own steps SQLite takes for what is done by this.
pub(crate) async fn hundreds_of_steps<T>(
    connection: &mut SqliteConnection,
    what: impl AsyncFnOnce(&mut SqliteConnection) -> T,
) -> (T, u64) {
    let count = Arc::<AtomicU64>::default();
    let counts = count.clone();
    connection.lock_handle().await.unwrap().set_progress_handler(100, move || {
        counts.fetch_add(1, Ordering::Relaxed);
        true
    });
    let done = what(&mut *connection).await;
    connection.lock_handle().await.unwrap().remove_progress_handler();
    (done, count.load(Ordering::Relaxed))
}
