//! Who keeps vacuum back: a transaction that stays open, whose snapshot might still see what was deleted long ago.
//!
//! `a look that took long → warn_of_held_snapshots → pg_stat_activity → log`

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use tokio::time::Instant;

use super::database::PostgresDatabase;

/// Whoever is asked about more often is not asked again.
const PAUSE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);

/// The oldest that holds a snapshot for longer than any statement of ours takes.
const OLDEST: &str = "SELECT pid, coalesce(state, 'unknown'), \
        coalesce(extract(epoch FROM clock_timestamp() - xact_start)::bigint, 0) FROM pg_stat_activity \
    WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND pid <> pg_backend_pid() \
        AND xact_start < clock_timestamp() - interval '5 s' \
    ORDER BY xact_start LIMIT 1";

impl PostgresDatabase {
    /// Says in the log who keeps vacuum back, if anybody does; at most once a minute. It has to be called within a runtime.
    pub(crate) fn warn_of_held_snapshots(&self, at: &Arc<str>) {
        if !self.may_ask_again(PAUSE) {
            return;
        }
        let (database, at) = (self.clone(), at.clone());
        tokio::spawn(async move {
            let rows = database.rows(&at, PATIENCE, OLDEST).await.unwrap_or_default();
            let held = rows.first().and_then(|row| {
                Some((
                    row.try_get::<i32, _>(0).ok()?,
                    row.try_get::<String, _>(1).ok()?,
                    row.try_get::<i64, _>(2).ok()?,
                ))
            });
            if let Some((pid, state, seconds)) = held {
                log::warn!(
                    target: "convoke::sql",
                    "{at}: the transaction of process {pid} of the server is open for {seconds} s ({state}): vacuum takes \
                     no dead row away until it ends, and queues become slower"
                );
            }
        });
    }

    fn may_ask_again(&self, pause: Duration) -> bool {
        let mut last = self.last_asked();
        let may = last.is_none_or(|last| last.elapsed() >= pause);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}
