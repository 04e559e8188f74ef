//! The routes that threads use, so that a listener which comes or goes is told to those that it concerns, and to no other.
//!
//! `route_of → Watched → Changes`, `register, retire → Watched → the Changes of these routes`

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::changes::{Change, Changes};
use super::hearing::{Hearing, subject};
use crate::events::topics::{Pattern, TopicTree};
use crate::runtime::step;

/// Below this many it is not worth looking which are no longer used.
const FEW: usize = 64;

/// The routes that threads use.
pub(crate) struct Watched<T> {
    types: HashMap<TypeId, Typed<T>>,
    topics: TopicTree<Weak<Changes<T>>>,
    /// How many topics there are.
    topic_count: usize,
    /// With so many of both it is looked which are no longer used.
    full: usize,
}

/// The route of a type.
struct Typed<T> {
    /// The topic and the name under which others hear it, unless it is local.
    public: Option<(Arc<str>, Arc<str>)>,
    changes: Weak<Changes<T>>,
}

impl<T> Watched<T> {
    /// The changes of the route of this type, from now on.
    pub(crate) fn of_type(&mut self, of: TypeId, public: Option<(&str, &str)>) -> Arc<Changes<T>> {
        if let Some(changes) = self.types.get(&of).and_then(|typed| typed.changes.upgrade()) {
            return changes;
        }
        let changes = Arc::new(Changes::default());
        let public = public.map(|(topic, name)| (topic.into(), name.into()));
        self.types.insert(of, Typed { public, changes: Arc::downgrade(&changes) });
        self.tidy();
        changes
    }

    /// The changes of the route of JSON on this topic, from now on.
    pub(crate) fn of_topic(&mut self, topic: &str) -> Arc<Changes<T>> {
        if let Some(changes) = self.topics.get(topic).and_then(Weak::upgrade) {
            return changes;
        }
        let changes = Arc::new(Changes::default());
        if self.topics.insert(topic, Arc::downgrade(&changes)).is_none() {
            self.topic_count += 1;
        }
        self.tidy();
        changes
    }

    /// Forgets those that no thread uses, once they may be half of all.
    fn tidy(&mut self) {
        if self.types.len() + self.topic_count > self.full.max(FEW) {
            self.types.retain(|_, typed| typed.changes.strong_count() > 0);
            self.topic_count = self.topics.retain(|changes| changes.strong_count() > 0);
            self.full = 2 * (self.types.len() + self.topic_count);
        }
    }

    /// Tells those routes of a change that a listener of this hearing concerns.
    pub(crate) fn note(&self, hearing: &Hearing, publisher: &str, change: &Change<T>) {
        let tell = |changes: &Weak<Changes<T>>| {
            if let Some(changes) = changes.upgrade() {
                changes.note(change.clone());
            }
        };
        match hearing {
            Hearing::Type { of, event } => {
                self.types.get(of).into_iter().for_each(|typed| tell(&typed.changes));
                if event.json {
                    self.topics.get(event.topic).into_iter().for_each(tell);
                }
            }
            Hearing::Topics(patterns) => {
                self.each_type(|topic, _| matches_any(patterns, topic), tell);
                // Who is told twice finds it done.
                patterns.iter().for_each(|pattern| self.topics.for_each_match(pattern, tell));
            }
            Hearing::Names(patterns) => {
                self.each_type(|_, name| matches_any(patterns, &subject(publisher, name)), tell);
                self.topics.for_each(|topic, changes| {
                    if matches_any(patterns, &subject(publisher, topic)) {
                        tell(changes);
                    }
                });
            }
        }
    }

    fn each_type(&self, concerns: impl Fn(&str, &str) -> bool, tell: impl Fn(&Weak<Changes<T>>)) {
        for typed in self.types.values() {
            step();
            if let Some((topic, name)) = &typed.public
                && concerns(topic, name)
            {
                tell(&typed.changes);
            }
        }
    }

    /// Has every thread look up every route anew.
    pub(crate) fn note_all(&self) {
        let tell = |changes: &Weak<Changes<T>>| changes.upgrade().into_iter().for_each(|changes| changes.note_all());
        self.types.values().for_each(|typed| tell(&typed.changes));
        self.topics.for_each(|_, changes| tell(changes));
    }
}

impl<T> Default for Watched<T> {
    fn default() -> Self {
        Self { types: HashMap::new(), topics: TopicTree::default(), topic_count: 0, full: 0 }
    }
}

fn matches_any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}
