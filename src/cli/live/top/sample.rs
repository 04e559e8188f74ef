//! What a server says at one moment, and what has changed since the moment before.

use std::cell::{Cell as Flag, Ref, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use convoke::look::{Address, QueueFigures, Server, ServerKind};
use convoke::transport::TransportError;
use tokio::time::timeout;

use super::table::{Cell, Table};
use crate::error::told;

/// Databases count up to this, which stands for that many or more.
const COUNTED: u64 = 10_000;

/// A server that is looked at again and again. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Source {
    address: Address,
    patience: Duration,
    seen: Rc<RefCell<Seen>>,
    /// A question is under way: no other is asked before it is answered.
    asks: Rc<Flag<bool>>,
}

#[derive(Default)]
struct Seen {
    server: Option<Server>,
    queues: Vec<QueueFigures>,
    at: Option<Instant>,
    /// By how much what waits has changed, each second.
    changes: HashMap<String, f64>,
    fault: Option<String>,
}

impl Source {
    pub(crate) fn new(address: Address, patience: Duration) -> Self {
        Self { address, patience, seen: Rc::default(), asks: Rc::default() }
    }

    /// Asks the server, unless it is being asked already. What it does not answer in time is a fault, and what it has said before stays.
    pub(super) async fn ask(&self) {
        if self.asks.replace(true) {
            return;
        }
        let asked = timeout(self.patience, self.asked()).await;
        let mut seen = self.seen.borrow_mut();
        match asked {
            Ok(Ok(queues)) => seen.note(queues, Instant::now()),
            Ok(Err(error)) => seen.fail(told(&error.to_string())),
            Err(_) => seen.fail(format!("it has not answered within {} s", self.patience.as_secs_f32())),
        }
        self.asks.set(false);
    }

    async fn asked(&self) -> Result<Vec<QueueFigures>, TransportError> {
        let server = self.seen.borrow().server.clone();
        let server = match server {
            Some(server) => server,
            None => {
                let server = Server::connect(&self.address).await?;
                self.seen.borrow_mut().server = Some(server.clone());
                server
            }
        };
        match self.address.name() {
            Some(name) => server.queue(name).await.map(|queue| vec![queue]),
            None => server.queues().await,
        }
    }

    pub(super) fn name(&self) -> String {
        told(&self.address.to_string())
    }

    pub(super) fn table(&self) -> Table {
        let seen: Ref<'_, Seen> = self.seen.borrow();
        let counts = matches!(self.address.server(), ServerKind::Sqlite | ServerKind::Postgres);
        let count = |count: Option<u64>| match count {
            Some(most) if counts && most >= COUNTED => Cell::AtLeast(most),
            count => Cell::Count(count),
        };
        let rows = seen.queues.iter().map(|queue| {
            vec![
                Cell::Text(queue.name.clone()),
                count(queue.waiting),
                count(queue.in_flight),
                count(queue.dead),
                Cell::Age(queue.oldest),
                Cell::Change(seen.changes.get(&queue.name).copied()),
                count(queue.delayed),
                count(queue.parked),
            ]
        });
        Table {
            title: self.name(),
            columns: vec!["QUEUE", "WAITING", "IN FLIGHT", "DEAD", "OLDEST", "CHANGE/S", "DELAYED", "PARKED"],
            rows: rows.collect(),
            fault: seen.fault.clone(),
        }
    }
}

impl Seen {
    fn note(&mut self, queues: Vec<QueueFigures>, now: Instant) {
        self.changes = match self.at {
            None => HashMap::new(),
            Some(before) => changes(&self.queues, &queues, now.saturating_duration_since(before)),
        };
        (self.queues, self.at, self.fault) = (queues, Some(now), None);
    }

    fn fail(&mut self, fault: String) {
        // It is connected anew, and what has changed meanwhile is no rate.
        (self.server, self.at, self.fault) = (None, None, Some(fault));
        self.changes.clear();
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
        let mut seen = Seen::default();
        seen.note(vec![queue("a", Some(10))], Instant::now());
        seen.fail("it is away".to_owned());
        assert_eq!(seen.queues.len(), 1);
        assert_eq!(seen.fault.as_deref(), Some("it is away"));
        seen.note(vec![queue("a", Some(4))], Instant::now());
        assert!(seen.changes.is_empty() && seen.fault.is_none());
    }
}
