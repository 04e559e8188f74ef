//! The first dead letters of each queue: those that a redrive begins with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use convoke::look::Letter;

use super::table::{Cell, Table};
use crate::error::cut;
use crate::view::{Seen, UNKNOWN, since};

/// As many are shown of each queue.
pub(super) const SHOWN: usize = 5;

/// One may come as another goes, and the number be the same.
const STALE: Duration = Duration::from_secs(30);

/// The longest error of a row: as much as any line has room for.
const ROW: usize = 300;

#[derive(Default)]
pub(super) struct Letters(BTreeMap<String, Of>);

/// Those of one queue.
struct Of {
    count: u64,
    read: Instant,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    event: String,
    why: String,
    /// In milliseconds since 1970.
    died: u64,
    error: String,
}

impl Letters {
    /// The queue whose letters are to be read next, and how many it has: of those whose number has changed, or whose letters were read
    /// long ago.
    pub(super) fn wanted<'a>(
        &mut self,
        queues: impl Iterator<Item = (&'a str, u64)>,
        now: Instant,
    ) -> Option<(String, u64)> {
        let all: Vec<(&str, u64)> = queues.filter(|(_, count)| *count > 0).collect();
        self.0.retain(|queue, _| all.iter().any(|(name, _)| name == queue));
        let is_old = |(queue, count): &&(&str, u64)| match self.0.get(*queue) {
            None => true,
            Some(of) => of.count != *count || now.saturating_duration_since(of.read) >= STALE,
        };
        // Whose were never read, or longest ago.
        let wanted = all.iter().filter(is_old).min_by_key(|(queue, _)| self.0.get(*queue).map(|of| of.read))?;
        Some((wanted.0.to_owned(), wanted.1))
    }

    pub(super) fn note(&mut self, queue: String, count: u64, letters: &[Letter], now: Instant) {
        let rows = letters.iter().map(row).collect();
        self.0.insert(queue, Of { count, read: now, rows });
    }

    /// None where there are none.
    pub(super) fn table(&self) -> Option<Table> {
        let rows: Vec<Vec<Cell>> = self
            .0
            .iter()
            .flat_map(|(queue, of)| {
                of.rows.iter().map(|row| {
                    vec![
                        Cell::Text(queue.clone()),
                        Cell::Name(row.id.clone()),
                        Cell::Text(row.event.clone()),
                        Cell::Text(row.why.clone()),
                        Cell::Age(since(row.died)),
                        Cell::Text(row.error.clone()),
                    ]
                })
            })
            .collect();
        let title = format!("dead letters, the first {SHOWN} of each queue: convoke dead list");
        let columns = vec!["QUEUE", "ID", "EVENT", "WHY", "AGE", "ERROR"];
        (!rows.is_empty()).then_some(Table { title, columns, rows, fault: None })
    }
}

fn row(letter: &Letter) -> Row {
    let record = letter.record.as_ref();
    Row {
        id: letter.id.to_string(),
        event: Seen::name_of(&letter.packet).map_or_else(|| UNKNOWN.to_owned(), |name| name.into_owned()),
        why: record.map_or_else(|| UNKNOWN.to_owned(), |record| record.reason.to_string()),
        died: record.map_or(0, |record| record.time),
        error: record.and_then(|record| record.errors.first()).map(|error| cut(error, ROW)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(letters: &mut Letters, queues: &[(&str, u64)], now: Instant) -> Option<String> {
        letters.wanted(queues.iter().copied(), now).map(|(queue, _)| queue)
    }

    #[test]
    fn letters_are_read_where_their_number_has_changed_one_queue_after_the_other() {
        let (mut letters, now) = (Letters::default(), Instant::now());
        let queues = [("a", 2), ("b", 0), ("c", 7)];
        assert_eq!(wanted(&mut letters, &queues, now).as_deref(), Some("a"));
        letters.note("a".to_owned(), 2, &[], now);
        assert_eq!(wanted(&mut letters, &queues, now).as_deref(), Some("c"));
        letters.note("c".to_owned(), 7, &[], now);
        assert_eq!(wanted(&mut letters, &queues, now), None);
        assert_eq!(wanted(&mut letters, &[("a", 3), ("c", 7)], now).as_deref(), Some("a"));
        // Whose number is the same are read now and then.
        assert!(wanted(&mut letters, &queues, now + STALE).is_some());
        // A queue that has none any more is shown no longer.
        assert_eq!(wanted(&mut letters, &[("a", 2), ("c", 0)], now), None);
        assert_eq!(letters.0.len(), 1);
    }
}
