//! What the server answers, read.

use std::time::Duration;

use ::redis::Value;

use crate::look::{QueueFigures, WorkerFigures, process_of};
use crate::transport::Packet;
use crate::transport::redis::{bytes, read_entry, text};

/// How full a stream is, as `figures.lua` says.
pub(super) struct Stream {
    length: u64,
    delayed: Option<u64>,
    dead: Option<u64>,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    waiting: Option<u64>,
    later: u64,
    lent: u64,
    age: Option<Duration>,
}

pub(super) fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

/// A count; `None` if there is none.
fn count(value: Option<Value>) -> Option<u64> {
    match value {
        Some(Value::Int(count)) => count.try_into().ok(),
        _ => None,
    }
}

pub(super) fn word(value: Option<Value>) -> Option<String> {
    value.and_then(bytes).map(text)
}

impl Stream {
    /// `None` if it is no stream.
    pub(super) fn read(value: Value) -> Option<Self> {
        let mut parts = match value {
            Value::Array(parts) => parts.into_iter(),
            _ => return None,
        };
        let (length, delayed, dead) = (count(parts.next())?, count(parts.next()), count(parts.next()));
        let groups = array(parts.next()?).into_iter().filter_map(|group| {
            let mut parts = array(group).into_iter();
            Some(Group {
                name: word(parts.next())?,
                waiting: count(parts.next()),
                later: count(parts.next())?,
                lent: count(parts.next())?,
                age: count(parts.next()).map(Duration::from_millis),
            })
        });
        Some(Self { length, delayed, dead, groups: groups.collect() })
    }

    /// The figures of each group; of a stream without any, those that a first group would have.
    pub(super) fn figures(&self, stream: &str) -> Vec<QueueFigures> {
        let of = |name: String| {
            let mut figures = QueueFigures::new(name);
            (figures.delayed, figures.dead) = (self.delayed, self.dead);
            figures
        };
        if self.groups.is_empty() {
            let mut figures = of(stream.to_owned());
            (figures.waiting, figures.in_flight) = (Some(self.length), Some(0));
            return vec![figures];
        }
        let groups = self.groups.iter().map(|group| {
            let name = if group.name == stream { stream.to_owned() } else { format!("{stream}/{}", group.name) };
            let mut figures = of(name);
            (figures.waiting, figures.in_flight, figures.oldest) = (group.waiting, Some(group.lent), group.age);
            figures.delayed = self.delayed.map(|delayed| delayed + group.later);
            figures
        });
        groups.collect()
    }
}

/// Who reads a stream, as `workers.lua` says.
pub(super) fn workers(value: Value, stream: &str) -> Vec<WorkerFigures> {
    let workers = array(value).into_iter().filter_map(|worker| {
        let mut parts = array(worker).into_iter();
        let (group, name) = (word(parts.next())?, word(parts.next())?);
        let queue = if group == stream { stream.to_owned() } else { format!("{stream}/{group}") };
        let mut figures = WorkerFigures::of(queue);
        (figures.process, figures.name, figures.count) = (process_of(&name), Some(name), 1);
        figures.in_flight = count(parts.next());
        figures.idle = count(parts.next()).map(Duration::from_millis);
        Some(figures)
    });
    workers.collect()
}

/// Entries with their fields, as `XRANGE` lists them.
pub(super) fn raw(value: Value) -> Vec<(String, Vec<Value>)> {
    let entries = array(value).into_iter().filter_map(|entry| {
        let mut parts = array(entry).into_iter();
        Some((word(parts.next())?, array(parts.next()?)))
    });
    entries.collect()
}

/// Entries, as `XRANGE` lists them.
pub(super) fn entries(value: Value) -> Vec<(String, Packet)> {
    let packet = |(id, fields): (String, Vec<Value>)| {
        let packet = read_entry(&id, fields);
        (id, packet)
    };
    raw(value).into_iter().map(packet).collect()
}

/// What `XREAD` returns of one stream.
pub(super) fn news(value: Value) -> Vec<(String, Packet)> {
    let stream = array(value).into_iter().next().map(array).unwrap_or_default();
    stream.into_iter().nth(1).map(entries).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn group(name: &str, numbers: [i64; 4]) -> Value {
        Value::Array([bulk(name)].into_iter().chain(numbers.map(Value::Int)).collect())
    }

    #[test]
    fn what_the_server_does_not_know_is_not_told() {
        let groups = vec![group("orders", [7, 1, 2, 1500]), group("billing", [-1, 0, 0, 20])];
        let stream = Value::Array(vec![Value::Int(9), Value::Int(3), Value::Int(-1), Value::Array(groups)]);
        let figures = Stream::read(stream).unwrap().figures("orders");
        let [orders, billing] = &figures[..] else { panic!("{figures:?}") };
        assert_eq!((orders.name.as_str(), orders.waiting, orders.delayed), ("orders", Some(7), Some(4)));
        assert_eq!((orders.in_flight, orders.dead, orders.parked), (Some(2), None, None));
        assert_eq!(orders.oldest, Some(Duration::from_millis(1500)));
        assert_eq!((billing.name.as_str(), billing.waiting), ("orders/billing", None));
    }

    #[test]
    fn a_worker_is_told_by_its_group_and_its_process() {
        let ours = format!("convoke-4711-{:032x}", 7);
        let worker = |group: &str, name: &str, numbers: [i64; 2]| {
            Value::Array([bulk(group), bulk(name)].into_iter().chain(numbers.map(Value::Int)).collect())
        };
        let all = vec![worker("orders", &ours, [3, 1500]), worker("billing", "other", [0, 20])];
        let workers = workers(Value::Array(all), "orders");
        let [one, other] = &workers[..] else { panic!("{workers:?}") };
        assert_eq!((one.queue.as_str(), one.process, one.in_flight), ("orders", Some(4711), Some(3)));
        assert_eq!((one.idle, one.count), (Some(Duration::from_millis(1500)), 1));
        assert_eq!(
            (other.queue.as_str(), other.process, other.name.as_deref()),
            ("orders/billing", None, Some("other"))
        );
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_none() {
        for value in [Value::Nil, Value::Int(1), Value::Array(Vec::new()), Value::Array(vec![bulk("x")])] {
            assert!(Stream::read(value.clone()).is_none());
            assert!(workers(value.clone(), "x").is_empty());
            assert!(entries(value.clone()).is_empty() && news(value).is_empty());
        }
    }
}
