//! The last event of each topic that is to be kept for those who come later.
//!
//! `emit, publish → Retained → who subscribes later`

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::parcel::AnyParcel;

/// The last event of each retained topic.
#[derive(Debug)]
pub(crate) struct Retained {
    by_topic: HashMap<String, Arc<dyn AnyParcel>>,
    /// The topics in the order in which they came, to forget the oldest when there are too many.
    order: VecDeque<String>,
    limit: usize,
    /// The last topic that was forgotten for want of room, until that is logged.
    forgotten: Option<String>,
}

impl Retained {
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_topic: HashMap::new(), order: VecDeque::new(), limit, forgotten: None }
    }

    /// Keeps an event instead of the last of its topic; answers with what is no longer kept.
    pub(crate) fn keep(&mut self, parcel: Arc<dyn AnyParcel>) -> Option<Arc<dyn AnyParcel>> {
        let topic = parcel.topic().to_string();
        let before = self.by_topic.insert(topic.clone(), parcel);
        if before.is_some() {
            return before;
        }
        self.order.push_back(topic);
        if self.order.len() <= self.limit {
            return None;
        }
        let oldest = self.order.pop_front()?;
        self.forgotten = Some(oldest.clone());
        self.by_topic.remove(&oldest)
    }

    /// The topic that was forgotten for want of room, said once.
    pub(crate) fn take_forgotten(&mut self) -> Option<String> {
        self.forgotten.take()
    }

    pub(crate) fn of(&self, topic: &str) -> Option<Arc<dyn AnyParcel>> {
        self.by_topic.get(topic).cloned()
    }

    /// All that are kept, the longest known topic first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn AnyParcel>> {
        self.order.iter().filter_map(|topic| self.by_topic.get(topic))
    }

    pub(crate) fn forget(&mut self, topic: &str) -> Option<Arc<dyn AnyParcel>> {
        self.order.retain(|other| other != topic);
        self.by_topic.remove(topic)
    }
}
