//! The last event of each topic that is to be kept for those who come later.
//!
//! `emit, publish → Retained → who subscribes later`

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::events::parcel::AnyParcel;
use crate::events::topics::{Pattern, TopicTree};

/// The last event of each retained topic.
#[derive(Debug)]
pub(crate) struct Retained {
    by_topic: TopicTree<Kept>,
    /// The topics in the order in which they came: so they are told.
    order: BTreeMap<u64, String>,
    /// The same in the order of their last events, by their places in the other: so they are forgotten, or a topic that is
    /// in daily use would go before one that nobody has used since.
    use_order: BTreeMap<u64, u64>,
    /// How many events have come.
    came: u64,
    limit: usize,
    /// The last topic that was forgotten for want of room, until that is logged.
    forgotten: Option<String>,
}

#[derive(Debug)]
struct Kept {
    parcel: Arc<dyn AnyParcel>,
    first: u64,
    last: u64,
}

impl Retained {
    pub(crate) fn new(limit: usize) -> Self {
        let (order, use_order) = (BTreeMap::new(), BTreeMap::new());
        Self { by_topic: TopicTree::default(), order, use_order, came: 0, limit, forgotten: None }
    }

    /// Keeps an event instead of the last of its topic; answers with what is no longer kept.
    pub(crate) fn keep(&mut self, parcel: Arc<dyn AnyParcel>) -> Option<Arc<dyn AnyParcel>> {
        self.came += 1;
        let came = self.came;
        let topic = parcel.topic();
        if let Some(kept) = self.by_topic.get_mut(topic.as_str()) {
            self.use_order.remove(&kept.last);
            self.use_order.insert(came, kept.first);
            kept.last = came;
            return Some(std::mem::replace(&mut kept.parcel, parcel));
        }
        let topic = topic.as_str().to_owned();
        self.by_topic.insert(&topic, Kept { parcel, first: came, last: came });
        self.order.insert(came, topic);
        self.use_order.insert(came, came);
        if self.order.len() <= self.limit {
            return None;
        }
        let (_, first) = self.use_order.pop_first()?;
        let oldest = self.order.remove(&first)?;
        let forgotten = self.by_topic.remove(&oldest);
        self.forgotten = Some(oldest);
        forgotten.map(|kept| kept.parcel)
    }

    /// The topic that was forgotten for want of room, said once.
    pub(crate) fn take_forgotten(&mut self) -> Option<String> {
        self.forgotten.take()
    }

    pub(crate) fn of(&self, topic: &str) -> Option<Arc<dyn AnyParcel>> {
        self.by_topic.get(topic).map(|kept| kept.parcel.clone())
    }

    /// All that are kept, the longest known topic first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn AnyParcel>> {
        self.order.values().filter_map(|topic| self.by_topic.get(topic)).map(|kept| &kept.parcel)
    }

    /// Those on topics that match one of these patterns, each once, the longest known topic first.
    pub(crate) fn matching(&self, patterns: &[Pattern]) -> impl Iterator<Item = &Arc<dyn AnyParcel>> {
        let mut found = BTreeMap::new();
        for pattern in patterns {
            self.by_topic.for_each_match(pattern, |kept| _ = found.insert(kept.first, &kept.parcel));
        }
        found.into_values()
    }

    pub(crate) fn forget(&mut self, topic: &str) -> Option<Arc<dyn AnyParcel>> {
        let kept = self.by_topic.remove(topic)?;
        self.order.remove(&kept.first);
        self.use_order.remove(&kept.last);
        Some(kept.parcel)
    }
}
