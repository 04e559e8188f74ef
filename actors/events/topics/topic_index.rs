//! Patterns by topic: a tree of their segments, in which a topic finds those that match without trying each.
//!
//! `PatternIndex (insert, remove) → Node by Node, a segment each → Walk ← topic`

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::iter;
use std::ptr;
use std::str::Split;
use std::sync::Arc;

use super::topic::{MANY, ONE, Pattern, is_segment};
use crate::runtime::step;

/// Values by pattern. A clone costs one count: the two share their nodes, and a change copies those on its path alone.
#[derive(Clone)]
pub(crate) struct PatternIndex<T> {
    root: Arc<Node<T>>,
}

/// Where the patterns that begin alike have come to.
#[derive(Clone)]
struct Node<T> {
    /// What was inserted under the pattern that ends here, in order.
    values: Vec<T>,
    /// Where a segment of this text leads.
    named: HashMap<Arc<str>, Arc<Node<T>>>,
    /// Where any segment leads.
    one: Option<Arc<Node<T>>>,
    /// The `**` that follows.
    many: Option<Arc<Node<T>>>,
    /// Whether a `**` leads here, not counting its own.
    below_many: bool,
}

impl<T: Clone + Ord> PatternIndex<T> {
    /// Adds a value; the same one may be added again, and is then visited twice.
    pub(crate) fn insert(&mut self, pattern: &Pattern, value: T) {
        let mut node = Arc::make_mut(&mut self.root);
        let mut below_many = false;
        for segment in pattern.segments() {
            let next = match segment {
                ONE => node.one.get_or_insert_with(|| Node::new(below_many)),
                MANY => node.many.get_or_insert_with(|| Node::new(below_many)),
                _ => node.named.entry(segment.into()).or_insert_with(|| Node::new(below_many)),
            };
            node = Arc::make_mut(next);
            below_many |= segment == MANY;
        }
        // At the end, where values grow, as ids do.
        let place = node.values.partition_point(|other| *other <= value);
        node.values.insert(place, value);
    }

    /// Takes away one value equal to this under this pattern, as it was written; tells whether there was one.
    pub(crate) fn remove(&mut self, pattern: &Pattern, value: &T) -> bool {
        Arc::make_mut(&mut self.root).remove(pattern.segments(), value)
    }
}

impl<T> PatternIndex<T> {
    /// Visits every value whose pattern matches the topic, exactly as [`Pattern::matches`] says, and once for each time
    /// it was inserted. Those of one pattern come in their order.
    ///
    /// The time is at most proportional to the nodes times the segments of the topic, whatever the patterns. How many
    /// patterns without wildcards there are does not matter.
    pub(crate) fn for_each_match(&self, topic: &str, mut visit: impl FnMut(&T)) {
        let mut walk = Walk::new(&self.root);
        for segment in topic.split('/') {
            // A wildcard takes proper segments only, and a text that is none has no name here either.
            if walk.is_over() || !is_segment(segment) {
                return;
            }
            walk.step(segment);
        }
        walk.places().flat_map(|node| &node.values).for_each(&mut visit);
    }
}

impl<T> Default for PatternIndex<T> {
    fn default() -> Self {
        Self { root: Node::new(false) }
    }
}

impl<T> fmt::Debug for PatternIndex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternIndex").finish_non_exhaustive()
    }
}

impl<T> Node<T> {
    fn new(below_many: bool) -> Arc<Self> {
        Arc::new(Self { values: Vec::new(), named: HashMap::new(), one: None, many: None, below_many })
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.named.is_empty() && self.one.is_none() && self.many.is_none()
    }

    fn nexts(&self, segment: &str) -> impl Iterator<Item = &Self> {
        self.named.get(segment).into_iter().chain(&self.one).map(|next| &**next)
    }
}

impl<T: Clone + Ord> Node<T> {
    /// Goes down as deep as the pattern is, at most [`Pattern::MAX_SEGMENTS`], and prunes on its way back.
    fn remove(&mut self, mut segments: Split<'_, char>, value: &T) -> bool {
        let Some(segment) = segments.next() else {
            let place = self.values.partition_point(|other| other < value);
            let there = self.values.get(place).is_some_and(|other| other == value);
            return there.then(|| self.values.remove(place)).is_some();
        };
        let next = match segment {
            ONE => self.one.as_mut(),
            MANY => self.many.as_mut(),
            _ => self.named.get_mut(segment),
        };
        let Some(next) = next.map(Arc::make_mut) else { return false };
        let removed = next.remove(segments, value);
        if next.is_empty() {
            match segment {
                ONE => self.one = None,
                MANY => self.many = None,
                _ => drop(self.named.remove(segment)),
            }
        }
        removed
    }
}

/// All the nodes that the segments so far lead to, each once.
///
/// Once is easy, because a node has one parent: by a segment it is reached from there alone. Only a `**` can be reached
/// again, by another segment that leads to its parent; and since it takes every segment, it stays for good.
struct Walk<'a, T> {
    /// Those that the last segment led to.
    here: Vec<&'a Node<T>>,
    /// Those of `**`.
    staying: Vec<&'a Node<T>>,
    /// The ones of them that could be reached again: a `**` leads to their parent.
    reached: HashSet<*const Node<T>>,
}

impl<'a, T> Walk<'a, T> {
    fn new(root: &'a Node<T>) -> Self {
        let mut walk = Self { here: Vec::new(), staying: Vec::new(), reached: HashSet::new() };
        walk.enter(root);
        walk
    }

    fn is_over(&self) -> bool {
        self.here.is_empty() && self.staying.is_empty()
    }

    fn places(&self) -> impl Iterator<Item = &'a Node<T>> {
        self.here.iter().chain(&self.staying).copied()
    }

    fn step(&mut self, segment: &str) {
        // A `**` that this very segment leads to takes the next one first.
        let (here, staying) = (self.here.len(), self.staying.len());
        for place in 0..here {
            self.here[place].nexts(segment).for_each(|node| self.enter(node));
        }
        for place in 0..staying {
            self.staying[place].nexts(segment).for_each(|node| self.enter(node));
        }
        self.here.drain(..here);
    }

    /// Takes up a node, and every `**` that follows, as that may take nothing.
    fn enter(&mut self, node: &'a Node<T>) {
        step();
        self.here.push(node);
        for many in iter::successors(node.many.as_deref(), |many| many.many.as_deref()) {
            if many.below_many && !self.reached.insert(ptr::from_ref(many)) {
                return;
            }
            self.staying.push(many);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::TestRunner;

    use super::super::topic::tests::{any_pattern, any_text, config, naive, pattern};
    use super::*;

    fn found<T: Clone + Ord>(index: &PatternIndex<T>, topic: &str) -> Vec<T> {
        let mut found = Vec::new();
        index.for_each_match(topic, |value| found.push(value.clone()));
        found.sort();
        found
    }

    fn expected<T: Clone + Ord>(entries: &[(Pattern, T)], topic: &str) -> Vec<T> {
        let matching = entries.iter().filter(|(pattern, _)| naive(pattern, topic));
        let mut expected: Vec<T> = matching.map(|(_, value)| value.clone()).collect();
        expected.sort();
        expected
    }

    #[test]
    fn an_index_finds_what_trying_each_pattern_finds_whatever_came_and_went() {
        // A few patterns, so that many share nodes and many removals hit; values so few that some are equal.
        let changes = vec((any::<bool>(), any::<Index>(), 0..3_u8), 1..24);
        let cases = (vec(any_pattern(), 1..8), changes, vec(any_text(), 1..6));
        let (lookups, hits, misses, removed) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
        let outcome = TestRunner::new(config(5_000)).run(&cases, |(patterns, changes, texts)| {
            let (mut index, mut entries) = (PatternIndex::default(), Vec::new());
            for (insert, pattern, value) in changes {
                let entry = (pattern.get(&patterns).clone(), value);
                let (index_before, entries_before) = (index.clone(), entries.clone());
                if insert {
                    index.insert(&entry.0, value);
                    entries.push(entry);
                } else {
                    let place = entries.iter().position(|other| *other == entry);
                    prop_assert_eq!(index.remove(&entry.0, &value), place.is_some());
                    removed.set(removed.get() + usize::from(place.is_some()));
                    place.map(|place| entries.remove(place));
                }
                for text in &texts {
                    let now = found(&index, text);
                    lookups.set(lookups.get() + 1);
                    hits.set(hits.get() + usize::from(!now.is_empty()));
                    misses.set(misses.get() + usize::from(now.len() < entries.len()));
                    prop_assert_eq!(now, expected(&entries, text), "{:?} among {:?}", text, entries);
                    prop_assert_eq!(
                        found(&index_before, text),
                        expected(&entries_before, text),
                        "a change reached a clone"
                    );
                }
            }
            for (pattern, value) in &entries {
                prop_assert!(!index.root.is_empty());
                prop_assert!(index.remove(pattern, value));
            }
            prop_assert!(index.root.is_empty(), "nodes were left behind: {:?}", entries);
            Ok(())
        });
        outcome.unwrap();
        let tenth = lookups.get() / 10;
        assert!(hits.get() > tenth && misses.get() > tenth, "{hits:?} hits, {misses:?} misses in {lookups:?} lookups");
        assert!(removed.get() > 5_000, "{removed:?} removals");
    }

    #[test]
    fn the_values_of_one_pattern_come_in_order_and_of_equal_ones_one_goes() {
        let (mut index, orders) = (PatternIndex::default(), pattern("orders/**"));
        for value in ["c", "a", "b", "a"] {
            index.insert(&orders, value);
        }
        assert!(index.remove(&orders, &"a"));
        let mut found = Vec::new();
        index.for_each_match("orders/placed", |value| found.push(*value));
        assert_eq!(found, ["a", "b", "c"]);
    }

    #[test]
    fn a_value_is_removed_only_under_the_text_it_was_inserted_with() {
        let mut index = PatternIndex::default();
        index.insert(&pattern("a/**/**/b"), 1);
        assert!(!index.remove(&pattern("a/**/b"), &1));
        assert!(!index.remove(&pattern("a/**/**"), &1));
        assert!(!index.remove(&pattern("a/**/**/b"), &2));
        assert_eq!(found(&index, "a/b"), [1]);
        assert!(index.remove(&pattern("a/**/**/b"), &1));
        assert!(index.root.is_empty());
    }

    #[test]
    fn no_hostile_patterns_make_a_lookup_take_a_node_twice_for_one_segment() {
        let mut index = PatternIndex::default();
        let mut nodes = HashSet::from([String::new()]);
        for number in 0..512_u32 {
            // Every way to write nine segments that match `a`, between two `**`: each node is reached at each segment.
            let middle: String = (0..9).map(|bit| if number >> bit & 1 == 1 { "/*" } else { "/a" }).collect();
            for text in [format!("**{middle}/**/b"), format!("**{middle}/**/**/a/**")] {
                index.insert(&pattern(&text), number);
                nodes.extend(text.match_indices('/').map(|(end, _)| text[..end].to_owned()));
                nodes.insert(text);
            }
        }
        index.insert(&pattern(&["**"; Pattern::MAX_SEGMENTS].join("/")), 1_000);
        let most = nodes.len() + Pattern::MAX_SEGMENTS;
        let mut walk = Walk::new(&index.root);
        let mut fullest = 0;
        for _ in 0..Pattern::MAX_SEGMENTS {
            walk.step("a");
            let places: Vec<_> = walk.places().map(ptr::from_ref).collect();
            let distinct: HashSet<_> = places.iter().collect();
            assert_eq!(places.len(), distinct.len(), "a node twice");
            fullest = fullest.max(places.len());
        }
        assert!(
            most / 2 < fullest && fullest <= most,
            "{fullest} of {most} nodes: not as hostile as it is meant to be"
        );
        assert_eq!(found(&index, &["a"; Pattern::MAX_SEGMENTS].join("/")), (0..512).chain([1_000]).collect::<Vec<_>>());
    }
}
