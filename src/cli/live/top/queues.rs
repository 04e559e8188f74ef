//! How full the queues of a server are, and what has changed since the moment before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use convoke::look::QueueFigures;

use super::table::{Cell, Table};

/// Databases count up to this, which stands for that many or more.
const COUNTED: u64 = 10_000;

#[derive(Default)]
pub(super) struct Queues {
    all: Vec<QueueFigures>,
    at: Option<Instant>,
    /// By how much what waits has changed, each second.
    changes: HashMap<String, f64>,
}

impl Queues {
    pub(super) fn note(&mut self, queues: Vec<QueueFigures>, now: Instant) {
        self.changes = match self.at {
            None => HashMap::new(),
            Some(before) => changes(&self.all, &queues, now.saturating_duration_since(before)),
        };
        (self.all, self.at) = (queues, Some(now));
    }

    /// It is connected anew, and what has changed meanwhile is no rate.
    pub(super) fn lose(&mut self) {
        self.at = None;
        self.changes.clear();
    }

    /// Each queue, and how many dead letters it has, as far as that is known.
    pub(super) fn dead(&self) -> impl Iterator<Item = (&str, u64)> {
        self.all.iter().filter_map(|queue| Some((queue.name.as_str(), queue.dead?)))
    }

    /// `counts` says that a database has counted.
    pub(super) fn table(&self, counts: bool) -> Table {
        let count = |count: Option<u64>| match count {
            Some(most) if counts && most >= COUNTED => Cell::AtLeast(most),
            count => Cell::Count(count),
        };
        let rows = self.all.iter().map(|queue| {
            vec![
                Cell::Text(queue.name.clone()),
                count(queue.waiting),
                count(queue.in_flight),
                count(queue.dead),
                Cell::Age(queue.oldest),
                Cell::Change(self.changes.get(&queue.name).copied()),
                count(queue.delayed),
                count(queue.parked),
            ]
        });
        Table {
            title: String::new(),
            columns: vec!["QUEUE", "WAITING", "IN FLIGHT", "DEAD", "OLDEST", "CHANGE/S", "DELAYED", "PARKED"],
            rows: rows.collect(),
            fault: None,
        }
    }
}

fn changes(before: &[QueueFigures], now: &[QueueFigures], time: Duration) -> HashMap<String, f64> {
    let mut changes = HashMap::new();
    for queue in now {
        let was = before.iter().find(|was| was.name == queue.name).and_then(|was| was.waiting);
        if let (Some(was), Some(is)) = (was, queue.waiting)
            && !time.is_zero()
        {
            #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
            let change = (is as f64 - was as f64) / time.as_secs_f64();
            changes.insert(queue.name.clone(), change);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, waiting: Option<u64>) -> QueueFigures {
        let mut queue = QueueFigures::new(name);
        queue.waiting = waiting;
        queue
    }

    #[test]
    fn a_change_needs_two_looks_at_what_is_known() {
        let before = [queue("a", Some(10)), queue("b", None)];
        let now = [queue("a", Some(4)), queue("b", Some(7)), queue("c", Some(1))];
        let changes = changes(&before, &now, Duration::from_secs(2));
        assert_eq!(changes, HashMap::from([("a".to_owned(), -3.0)]));
    }

    #[test]
    fn what_was_seen_stays_while_the_server_is_away() {
        let mut queues = Queues::default();
        queues.note(vec![queue("a", Some(10))], Instant::now());
        queues.lose();
        assert_eq!(queues.table(false).rows.len(), 1);
        queues.note(vec![queue("a", Some(4))], Instant::now());
        assert!(queues.changes.is_empty());
    }
}
