//! Who is writing: a number that was drawn, or a time that was read, is followed by no lower one once all who were writing then have
//! ended.
//!
//! `seen, and then writers (pg_locks) → Settling → settled`

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::Row as _;

use super::database::PostgresDatabase;
use crate::transport::TransportError;

/// The transactions that have written to a table and are open.
pub(crate) type Writers = HashSet<String>;

impl PostgresDatabase {
    /// The transactions that have written to a table of ours and are open; who has ended is seen by each look from then on.
    ///
    /// # Errors
    ///
    /// Those of [`rows`](Self::rows).
    pub(crate) async fn writers(&self, at: &Arc<str>, table: &str) -> Result<Writers, TransportError> {
        let sql = format!(
            "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' \
                 AND relation = '{}.{table}'::regclass AND pid IS DISTINCT FROM pg_backend_pid() \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            self.schema()
        );
        let rows = self.rows(at, self.deadline(), &sql).await?;
        let writers = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>();
        writers.map_err(|error| super::describe(at, &error))
    }
}

/// Up to where all who wrote have ended.
#[derive(Clone, Debug)]
pub(crate) struct Settling<T> {
    settled: Option<T>,
    /// What had been seen when these were writing.
    awaited: Option<(T, Writers)>,
}

impl<T> Default for Settling<T> {
    fn default() -> Self {
        Self { settled: None, awaited: None }
    }
}

impl<T: Copy + PartialOrd> Settling<T> {
    pub(crate) fn settled(&self) -> Option<T> {
        self.settled
    }

    /// Notes who is writing, as it was asked after something had been seen.
    pub(crate) fn note(&mut self, seen: T, writers: Writers) {
        if let Some((then, awaited)) = self.awaited.take() {
            if !awaited.is_disjoint(&writers) {
                self.awaited = Some((then, awaited));
                return;
            }
            self.settle(then);
        }
        match writers.is_empty() {
            true => self.settle(seen),
            false if self.is_news(seen) => self.awaited = Some((seen, writers)),
            false => {}
        }
    }

    fn settle(&mut self, seen: T) {
        if self.is_news(seen) {
            self.settled = Some(seen);
        }
    }

    fn is_news(&self, seen: T) -> bool {
        self.settled.is_none_or(|settled| settled < seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writers<const N: usize>(names: [&str; N]) -> Writers {
        names.map(str::to_owned).into()
    }

    #[test]
    fn what_was_seen_is_settled_once_those_have_ended_who_wrote_then() {
        let mut settling = Settling::default();
        settling.note(3, writers(["3/1", "4/1"]));
        settling.note(5, writers(["4/1", "5/1"]));
        assert_eq!(settling.settled(), None, "one of those who wrote when it was 3 has not ended");
        settling.note(7, writers(["5/1"]));
        assert_eq!(settling.settled(), Some(3));
        settling.note(9, writers([]));
        assert_eq!(settling.settled(), Some(9));
        settling.note(2, writers([]));
        assert_eq!(settling.settled(), Some(9), "it does not go back");
    }
}
