//! Who is registered on a bus, and who of them hears an event.
//!
//! `bus.on → Post → Registry → Route`

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::changes::Change;
use super::door::Door;
use super::hearing::{Hearing, subject};
use super::post::Post;
use super::route::Route;
use super::watched::Watched;
use crate::events::parcel::Taps;
use crate::events::topics::PatternIndex;
use crate::runtime::Counted;

/// The id of a registration, among many.
type Id = Counted<u64>;

#[derive(Default)]
struct Table {
    last: u64,
    posts: BTreeMap<Id, Arc<Post>>,
    types: HashMap<TypeId, BTreeSet<Id>>,
    topics: PatternIndex<Id>,
    /// Those of names: few, as there are few ways out of a process.
    names: BTreeSet<Id>,
    /// Those of typed events that also come as JSON, by topic.
    typed_topics: HashMap<&'static str, BTreeSet<Id>>,
    /// The same by the names of their events.
    typed_names: HashMap<&'static str, BTreeSet<Id>>,
    doors: Vec<Arc<Door>>,
    watched: Watched<Post>,
    /// Those who listen in: none most of the time.
    taps: Option<Arc<Taps>>,
}

/// Who is registered on a bus.
pub(crate) struct Registry {
    table: Mutex<Table>,
    publisher: Arc<str>,
    max_listeners: usize,
}

impl Registry {
    pub(crate) fn new(publisher: Arc<str>, max_listeners: usize) -> Self {
        Self { table: Mutex::default(), publisher, max_listeners }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id for a new registration; `None` if there are as many as may be.
    pub(crate) fn next_id(&self) -> Option<u64> {
        let mut table = self.table();
        if table.posts.len() >= self.max_listeners {
            return None;
        }
        table.last += 1;
        Some(table.last)
    }

    /// Registers a listener: from now on every emission, on any thread, finds it.
    pub(crate) fn register(&self, post: &Arc<Post>) {
        let (mut table, id) = (self.table(), Counted(post.id));
        table.posts.insert(id, post.clone());
        match &post.hearing {
            Hearing::Type { of, event } => {
                table.types.entry(*of).or_default().insert(id);
                if event.json {
                    table.typed_names.entry(event.name).or_default().insert(id);
                    table.typed_topics.entry(event.topic).or_default().insert(id);
                }
            }
            Hearing::Topics(patterns) => {
                for pattern in patterns.iter() {
                    table.topics.insert(pattern, id);
                }
            }
            Hearing::Names(_) => {
                table.names.insert(id);
            }
        }
        table.watched.note(&post.hearing, &self.publisher, &Change::Came(Arc::downgrade(post)));
    }

    /// Lets no emission find a listener any more, which still hears what is on its way.
    pub(crate) fn retire(&self, post: &Arc<Post>) -> Option<Arc<Post>> {
        let (mut table, id) = (self.table(), Counted(post.id));
        let struck = table.posts.remove(&id)?;
        match &post.hearing {
            Hearing::Type { of, event } => {
                forget(&mut table.types, of, id);
                if event.json {
                    forget(&mut table.typed_names, &event.name, id);
                    forget(&mut table.typed_topics, &event.topic, id);
                }
            }
            Hearing::Topics(patterns) => {
                for pattern in patterns.iter() {
                    table.topics.remove(pattern, &id);
                }
            }
            Hearing::Names(_) => {
                table.names.remove(&id);
            }
        }
        table.watched.note(&post.hearing, &self.publisher, &Change::Went(post.rank()));
        Some(struck)
    }

    pub(crate) fn posts(&self) -> Vec<Arc<Post>> {
        self.table().posts.values().cloned().collect()
    }

    /// The listener of this id.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Post>> {
        self.table().posts.get(&Counted(id)).cloned()
    }

    /// This listener if it is still registered, or else one of its name that hears the same.
    pub(crate) fn find_like(&self, post: &Arc<Post>) -> Option<Arc<Post>> {
        let table = self.table();
        let alike = |other: &&Arc<Post>| other.name() == post.name() && other.hearing == post.hearing;
        table.posts.get(&Counted(post.id)).or_else(|| table.posts.values().find(alike)).cloned()
    }

    /// Who hears events of this type, which travel on this topic.
    pub(crate) fn route_of(&self, of: TypeId, public: Option<(&str, &str)>) -> Route {
        let mut table = self.table();
        let mut ids: Vec<_> = table.types.get(&of).into_iter().flatten().copied().collect();
        if let Some((topic, name)) = public {
            table.topics.for_each_match(topic, |id| ids.push(*id));
            ids.extend(table.of_name(&self.publisher, name));
        }
        let changes = table.watched.of_type(of, public);
        Route::new(table.those(ids), table.taps.clone(), changes)
    }

    /// Who hears JSON on this topic.
    pub(crate) fn route_of_topic(&self, topic: &str) -> Route {
        let mut table = self.table();
        let mut ids: Vec<_> = table.typed_topics.get(topic).into_iter().flatten().copied().collect();
        table.topics.for_each_match(topic, |id| ids.push(*id));
        // It has no other name; what came from outside has, and does not leave again.
        ids.extend(table.of_name(&self.publisher, topic));
        let changes = table.watched.of_topic(topic);
        Route::new(table.those(ids), table.taps.clone(), changes)
    }

    /// Where events of this name travel, as the first says that listens to them.
    pub(crate) fn topic_of_name(&self, name: &str) -> Option<&'static str> {
        let table = self.table();
        let first = table.typed_names.get(name)?.first()?;
        match &table.posts.get(first)?.hearing {
            Hearing::Type { event, .. } => Some(event.topic),
            Hearing::Topics(_) | Hearing::Names(_) => None,
        }
    }

    /// Whether a typed listener to this topic takes it for personal data.
    pub(crate) fn is_personal(&self, topic: &str) -> bool {
        let table = self.table();
        let ids = table.typed_topics.get(topic).into_iter().flatten();
        ids.filter_map(|id| table.posts.get(id)).any(|post| post.personal)
    }

    /// How many listen in.
    pub(crate) fn count_taps(&self) -> usize {
        self.table().taps.as_ref().map_or(0, |taps| taps.len())
    }

    /// Changes who listens in: from now on every emission, on any thread, is noted by those.
    pub(crate) fn change_taps(&self, change: impl FnOnce(&Taps) -> Taps) {
        let mut table = self.table();
        let taps = change(table.taps.as_deref().unwrap_or(&Taps::default()));
        let before = std::mem::replace(&mut table.taps, (!taps.is_empty()).then(|| Arc::new(taps)));
        table.watched.note_all();
        drop(table);
        drop(before);
    }

    /// A station has opened.
    pub(crate) fn joined(&self, door: &Arc<Door>) {
        self.table().doors.push(door.clone());
    }

    /// A station is gone.
    pub(crate) fn left(&self, door: &Arc<Door>) {
        self.table().doors.retain(|other| !Arc::ptr_eq(other, door));
    }

    pub(crate) fn doors(&self) -> Vec<Arc<Door>> {
        self.table().doors.clone()
    }

    /// Those who sit behind this door, for the log.
    pub(crate) fn names_at(&self, door: &Arc<Door>) -> String {
        let posts = self.posts();
        let here = posts.iter().filter(|post| Arc::ptr_eq(post.door(), door));
        here.map(|post| format!("`{}`", post.name())).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    fn of_name(&self, publisher: &str, event: &str) -> Vec<Id> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let subject = subject(publisher, event);
        let hears = |post: &Arc<Post>| match &post.hearing {
            Hearing::Names(patterns) => patterns.iter().any(|pattern| pattern.matches(&subject)),
            _ => false,
        };
        self.names.iter().filter(|id| self.posts.get(id).is_some_and(hears)).copied().collect()
    }

    fn those(&self, ids: Vec<Id>) -> Vec<Arc<Post>> {
        ids.iter().filter_map(|id| self.posts.get(id).cloned()).collect()
    }
}

/// Removes an id from a list, and the list with its last.
fn forget<K: std::hash::Hash + Eq>(lists: &mut HashMap<K, BTreeSet<Id>>, key: &K, id: Id) {
    if let Some(list) = lists.get_mut(key) {
        list.remove(&id);
        if list.is_empty() {
            lists.remove(key);
        }
    }
}
