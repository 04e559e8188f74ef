//! Values by topic: a tree of their segments, in which a pattern finds those that it matches without trying each.
//!
//! `TopicTree (insert, remove) → Node by Node, a segment each ← States ← pattern`

use std::collections::HashMap;
use std::fmt;

use super::topic::{MANY, ONE, Pattern};
use crate::runtime::step;

/// Values by topic: the counterpart of a [`PatternIndex`](super::PatternIndex).
pub(crate) struct TopicTree<T> {
    root: Node<T>,
}

struct Node<T> {
    value: Option<T>,
    next: HashMap<Box<str>, Self>,
}

/// Which parts of a pattern may stand at a node: a bit for each segment of it, and one for its end.
type States = u64;

const _: () = assert!(Pattern::MAX_SEGMENTS < States::BITS as usize, "a bit for each segment, and one for the end");

impl<T> TopicTree<T> {
    /// Sets the value of a topic, and returns the one that it had.
    pub(crate) fn insert(&mut self, topic: &str, value: T) -> Option<T> {
        let mut node = &mut self.root;
        for segment in topic.split('/') {
            node = node.next.entry(segment.into()).or_default();
        }
        node.value.replace(value)
    }

    pub(crate) fn get(&self, topic: &str) -> Option<&T> {
        let node = topic.split('/').try_fold(&self.root, |node, segment| node.next.get(segment))?;
        node.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, topic: &str) -> Option<&mut T> {
        let node = topic.split('/').try_fold(&mut self.root, |node, segment| node.next.get_mut(segment))?;
        node.value.as_mut()
    }

    /// Takes out the value of a topic.
    pub(crate) fn remove(&mut self, topic: &str) -> Option<T> {
        self.root.remove(topic.split('/'))
    }

    /// Keeps only those of which this is true, and returns how many.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) -> usize {
        self.root.retain(&mut keep)
    }

    /// Visits every topic with its value, in no particular order.
    pub(crate) fn for_each<'a>(&'a self, mut visit: impl FnMut(&str, &'a T)) {
        self.root.visit_all(&mut String::new(), &mut visit);
    }

    /// Visits the value of every topic that the pattern matches, each once, in no particular order.
    ///
    /// The time depends on the topics that begin as the pattern does, and not on the others.
    pub(crate) fn for_each_match<'a>(&'a self, pattern: &Pattern, mut visit: impl FnMut(&'a T)) {
        let segments: Vec<_> = pattern.segments().collect();
        self.root.visit(&segments, enter(&segments, 1), &mut visit);
    }
}

impl<T> Node<T> {
    fn remove<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>) -> Option<T> {
        let Some(segment) = segments.next() else { return self.value.take() };
        let next = self.next.get_mut(segment)?;
        let removed = next.remove(segments);
        if next.value.is_none() && next.next.is_empty() {
            self.next.remove(segment);
        }
        removed
    }

    fn retain(&mut self, keep: &mut impl FnMut(&T) -> bool) -> usize {
        self.value.take_if(|value| !keep(value));
        let mut count = usize::from(self.value.is_some());
        self.next.retain(|_, next| {
            let kept = next.retain(keep);
            count += kept;
            kept > 0
        });
        count
    }

    fn visit_all<'a>(&'a self, topic: &mut String, visit: &mut impl FnMut(&str, &'a T)) {
        step();
        if let Some(value) = &self.value {
            visit(topic, value);
        }
        let length = topic.len();
        for (segment, next) in &self.next {
            if length > 0 {
                topic.push('/');
            }
            topic.push_str(segment);
            next.visit_all(topic, visit);
            topic.truncate(length);
        }
    }

    /// Goes down as deep as the topics are.
    fn visit<'a>(&'a self, segments: &[&str], states: States, visit: &mut impl FnMut(&'a T)) {
        step();
        if states & (1 << segments.len()) != 0
            && let Some(value) = &self.value
        {
            visit(value);
        }
        let each = |place: &usize| states & (1 << *place) != 0;
        let mut named = (0..segments.len()).filter(each).map(|place| segments[place]);
        // Unless a wildcard stands here, there is one way to go for each name.
        if named.clone().any(|segment| matches!(segment, ONE | MANY)) {
            for (segment, node) in &self.next {
                let states = advance(segments, states, segment);
                if states != 0 {
                    node.visit(segments, states, visit);
                }
            }
        } else if let Some(segment) = named.next()
            && let Some(node) = self.next.get(segment)
        {
            node.visit(segments, advance(segments, states, segment), visit);
        }
    }
}

/// Where the pattern stands once this segment has been taken.
fn advance(segments: &[&str], states: States, segment: &str) -> States {
    let mut next = 0;
    for (place, wanted) in segments.iter().enumerate() {
        if states & (1 << place) != 0 {
            match *wanted {
                MANY => next |= 1 << place,
                wanted if wanted == ONE || wanted == segment => next |= 1 << (place + 1),
                _ => {}
            }
        }
    }
    enter(segments, next)
}

/// The same, where a `**` may take nothing.
fn enter(segments: &[&str], mut states: States) -> States {
    for (place, wanted) in segments.iter().enumerate() {
        if *wanted == MANY && states & (1 << place) != 0 {
            states |= 1 << (place + 1);
        }
    }
    states
}

impl<T> Default for TopicTree<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { value: None, next: HashMap::new() }
    }
}

impl<T> fmt::Debug for TopicTree<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicTree").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::super::topic::check_topic;
    use super::super::topic::tests::{any_pattern, any_text, config, naive, pattern};
    use super::*;
    use crate::runtime::steps;

    fn found<'a>(tree: &'a TopicTree<String>, wanted: &Pattern) -> Vec<&'a str> {
        let mut found = Vec::new();
        tree.for_each_match(wanted, |topic| found.push(topic.as_str()));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_tree_finds_what_trying_each_topic_finds_whatever_came_and_went() {
        let cases = (vec(any_pattern(), 1..6), vec((any::<bool>(), any_text()), 1..24));
        let outcome = TestRunner::new(config(5_000)).run(&cases, |(patterns, changes)| {
            let (mut tree, mut topics) = (TopicTree::default(), Vec::<String>::new());
            for (insert, topic) in changes.into_iter().filter(|(_, topic)| check_topic(topic).is_ok()) {
                let place = topics.iter().position(|other| *other == topic);
                let before = if insert { tree.insert(&topic, topic.clone()) } else { tree.remove(&topic) };
                prop_assert_eq!(&before, &place.map(|place| topics.swap_remove(place)));
                if insert {
                    topics.push(topic.clone());
                }
                prop_assert_eq!(tree.get(&topic).is_some(), insert);
                for wanted in &patterns {
                    let mut expected: Vec<_> = topics.iter().map(String::as_str).collect();
                    expected.retain(|topic| naive(wanted, topic));
                    expected.sort_unstable();
                    prop_assert_eq!(found(&tree, wanted), expected, "{} among {:?}", wanted, topics);
                }
            }
            let (mut every, stays) = (Vec::new(), |topic: &String| topic.starts_with('a'));
            tree.for_each(|topic, value| every.push((topic.to_owned(), value.clone())));
            every.sort_unstable();
            topics.sort_unstable();
            prop_assert_eq!(every, topics.iter().map(|topic| (topic.clone(), topic.clone())).collect::<Vec<_>>());
            topics.retain(stays);
            prop_assert_eq!(tree.retain(stays), topics.len());
            prop_assert!(topics.iter().all(|topic| tree.get(topic).is_some()));
            topics.iter().for_each(|topic| drop(tree.remove(topic)));
            prop_assert!(tree.root.next.is_empty(), "nodes were left behind");
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn a_pattern_does_not_look_at_what_begins_otherwise() {
        let mut tree = TopicTree::default();
        for number in 0..1_000 {
            tree.insert(&format!("rooms/{number}/last"), number.to_string());
        }
        for wanted in ["rooms/7/last", "rooms/7/*", "rooms/7/**"] {
            let before = steps();
            assert_eq!(found(&tree, &pattern(wanted)), ["7"]);
            assert!(steps() - before <= 4, "{wanted}: {} steps", steps() - before);
        }
    }

    #[test]
    fn no_hostile_pattern_looks_at_a_node_twice() {
        let mut tree = TopicTree::default();
        let topic = ["a"; Pattern::MAX_SEGMENTS].join("/");
        tree.insert(&topic, topic.clone());
        let before = steps();
        let hostile = pattern(&["**", "a"].repeat(Pattern::MAX_SEGMENTS / 2).join("/"));
        assert_eq!(found(&tree, &hostile).len(), 1);
        assert!(steps() - before <= Pattern::MAX_SEGMENTS as u64 + 1);
    }
}
