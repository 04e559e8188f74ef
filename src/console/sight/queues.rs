//! What is known of the queues of a server over time: the last figures, and those of the looks before.
//!
//! `figures, the looks before → Sampled → QueueSeen: its figures, how they change, a line`

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use convoke::look::QueueFigures;
use tokio::time::Instant;

use crate::view::Spark;

/// As many looks are kept.
const KEPT: usize = 60;

/// Of a server with more queues than this no looks are kept.
const MOST: usize = 500;

/// What is older than this says nothing of how fast something changes now.
const FRESH: Duration = Duration::from_secs(300);

/// The queues of a server, and what waited in them at the looks before.
#[derive(Debug)]
pub(crate) struct Sampled {
    pub(crate) queues: Vec<QueueFigures>,
    looks: VecDeque<Arc<Look>>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    waiting: HashMap<String, Option<u64>>,
}

/// A queue, and how it has changed.
#[derive(Clone, Debug)]
pub(crate) struct QueueSeen<'a> {
    pub(crate) figures: &'a QueueFigures,
    /// By how much what waits changes each second.
    pub(crate) change: Option<f64>,
    pub(crate) line: Spark,
}

impl Sampled {
    pub(super) fn new(queues: Vec<QueueFigures>, before: Option<&Self>, now: Instant) -> Self {
        let mut looks = before.map(|before| before.looks.clone()).unwrap_or_default();
        if queues.len() <= MOST {
            let waiting = queues.iter().map(|queue| (queue.name.clone(), queue.waiting)).collect();
            looks.push_back(Arc::new(Look { at: now, waiting }));
        } else {
            looks.clear();
        }
        while looks.len() > KEPT || looks.front().is_some_and(|look| now.duration_since(look.at) > FRESH) {
            looks.pop_front();
        }
        Self { queues, looks }
    }

    /// The queues with how they have changed.
    pub(crate) fn seen(&self) -> impl Iterator<Item = QueueSeen<'_>> {
        self.queues.iter().map(|figures| QueueSeen {
            change: self.change(&figures.name),
            line: Spark { points: self.looks.iter().map(|look| look.of(&figures.name)).collect() },
            figures,
        })
    }

    fn change(&self, queue: &str) -> Option<f64> {
        let mut last = self.looks.iter().rev();
        let (now, before) = (last.next()?, last.next()?);
        let (is, was) = (now.of(queue)?, before.of(queue)?);
        let time = now.at.duration_since(before.at);
        #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
        let change = is as f64 - was as f64;
        (!time.is_zero()).then(|| change / time.as_secs_f64())
    }
}

impl Look {
    fn of(&self, queue: &str) -> Option<u64> {
        self.waiting.get(queue).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, waiting: Option<u64>) -> QueueFigures {
        let mut queue = QueueFigures::new(name);
        queue.waiting = waiting;
        queue
    }

    fn changes(sampled: &Sampled) -> Vec<Option<f64>> {
        sampled.seen().map(|seen| seen.change).collect()
    }

    #[test]
    fn a_change_needs_two_looks_at_what_is_known() {
        let now = Instant::now();
        let first = Sampled::new(vec![queue("a", Some(10)), queue("b", None)], None, now);
        assert_eq!(changes(&first), [None, None]);
        let two = now + Duration::from_secs(2);
        let second =
            Sampled::new(vec![queue("a", Some(4)), queue("b", Some(7)), queue("c", Some(1))], Some(&first), two);
        assert_eq!(changes(&second), [Some(-3.0), None, None]);
        let points: Vec<_> = second.seen().map(|seen| seen.line.points).collect();
        assert_eq!(points, [vec![Some(10), Some(4)], vec![None, Some(7)], vec![None, Some(1)]]);
    }

    #[test]
    fn few_looks_are_kept_and_none_for_long() {
        let now = Instant::now();
        let mut sampled = Sampled::new(vec![queue("a", Some(0))], None, now);
        for second in 1..200 {
            sampled = Sampled::new(vec![queue("a", Some(second))], Some(&sampled), now + Duration::from_secs(second));
        }
        assert_eq!(sampled.looks.len(), KEPT);
        let later = now + Duration::from_secs(199) + FRESH + Duration::from_secs(1);
        let late = Sampled::new(vec![queue("a", Some(5))], Some(&sampled), later);
        assert_eq!((late.looks.len(), changes(&late)), (1, vec![None]));
        let many = (0..=MOST).map(|number| queue(&number.to_string(), Some(1))).collect();
        assert_eq!(Sampled::new(many, Some(&sampled), later).looks.len(), 0);
    }
}
