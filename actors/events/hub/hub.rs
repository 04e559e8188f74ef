//! What all handles of a bus share: who is registered, what is provided, what is kept, and its limits.
//!
//! `EventBus → Hub → Registry → Route`

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::bus::Open;
use super::retained::Retained;
use super::waiters::Waiters;
use crate::base::Shown;
use crate::events::container::Container;
use crate::events::event::Name;
use crate::events::listener::{ListenerError, TooDeep, Verdict};
use crate::events::middleware::Middleware;
use crate::events::parcels::Route;
#[cfg(feature = "testing")]
use crate::events::parcels::{AnyParcel, Given, Tap, Taps};
use crate::events::seats::{Door, Hearing, Post, ToStation};
use crate::events::topics::PatternIndex;
use crate::events::{Letters, Reason};
use crate::runtime::{Counted, quietly};

/// The bounds of a bus, each set by its builder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) capacity: usize,
    pub(crate) listener_timeout: Duration,
    pub(crate) room_timeout: Duration,
    pub(crate) max_depth: u32,
    pub(crate) max_listeners: usize,
    pub(crate) dead_letters: usize,
    pub(crate) retained: usize,
}

/// What all handles of a bus share.
#[doc(hidden)]
pub struct Hub {
    id: u64,
    /// Counts every change of the registry; routes that threads have looked up are true for one of them.
    version: AtomicU64,
    registry: Mutex<Registry>,
    container: Container,
    middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) given: Arc<Given>,
    limits: Limits,
    pub(crate) letters: Letters,
    unheard: AtomicU64,
    retained: Mutex<Retained>,
    nobody: Arc<[Arc<Post>]>,
    pub(crate) waiters: Waiters,
    open: Mutex<Weak<Open>>,
}

/// The id of a registration, among many.
type Id = Counted<u64>;

#[derive(Default)]
struct Registry {
    last: u64,
    posts: BTreeMap<Id, Arc<Post>>,
    types: HashMap<TypeId, BTreeSet<Id>>,
    topics: PatternIndex<Id>,
    /// Those of names: few, as there are few ways out of a process.
    names: BTreeSet<Id>,
    /// Those of typed events that also come as JSON, by topic.
    typed_topics: HashMap<Name, BTreeSet<Id>>,
    /// The same by the names of their events.
    typed_names: HashMap<Name, BTreeSet<Id>>,
    doors: Vec<Arc<Door>>,
    /// Those who listen in for a test: none, but under the feature `testing`.
    taps: Option<Arc<Taps>>,
}

impl Hub {
    pub(crate) fn new(
        container: Container,
        middleware: Vec<Arc<dyn Middleware>>,
        publisher: Arc<str>,
        limits: Limits,
    ) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            version: AtomicU64::new(1),
            registry: Mutex::default(),
            container,
            middleware,
            given: Arc::new(Given { publisher, ..Given::default() }),
            limits,
            letters: Letters::new(limits.dead_letters),
            unheard: AtomicU64::new(0),
            retained: Mutex::new(Retained::new(limits.retained)),
            nobody: Arc::new([]),
            waiters: Waiters::default(),
            open: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    pub(crate) fn middleware(&self) -> &[Arc<dyn Middleware>] {
        &self.middleware
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What holds the bus open: as long as there is one, all have the same.
    pub(crate) fn open(self: &Arc<Self>) -> Arc<Open> {
        let mut known = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = known.upgrade() {
            return open;
        }
        let open = Arc::new(Open::new(self));
        *known = Arc::downgrade(&open);
        open
    }

    pub(crate) fn retained(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listeners of an event that nobody hears.
    pub(crate) fn nobody(&self) -> Arc<[Arc<Post>]> {
        self.nobody.clone()
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id for a new registration; `None` if there are as many as may be.
    pub(crate) fn next_id(&self) -> Option<u64> {
        let mut registry = self.registry();
        if registry.posts.len() >= self.limits.max_listeners {
            return None;
        }
        registry.last += 1;
        Some(registry.last)
    }

    /// Registers a listener: from now on every emission, on any thread, finds it.
    pub(crate) fn register(&self, post: &Arc<Post>) {
        let (mut registry, id) = (self.registry(), Counted(post.id));
        registry.posts.insert(id, post.clone());
        match &post.hearing {
            Hearing::Type { of, topic, json, name } => {
                registry.types.entry(*of).or_default().insert(id);
                if *json {
                    registry.typed_names.entry(name.clone()).or_default().insert(id);
                    registry.typed_topics.entry(topic.clone()).or_default().insert(id);
                }
            }
            Hearing::Topics(patterns) => {
                for pattern in patterns.iter() {
                    registry.topics.insert(pattern, id);
                }
            }
            Hearing::Names(_) => {
                registry.names.insert(id);
            }
        }
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Strikes a listener off: from now on no emission finds it.
    pub(crate) fn strike(&self, post: &Arc<Post>) {
        post.end();
        self.retire(post);
    }

    /// Lets no emission find a listener any more, which still hears what is on its way.
    pub(crate) fn retire(&self, post: &Arc<Post>) {
        let (mut registry, id) = (self.registry(), Counted(post.id));
        let Some(struck) = registry.posts.remove(&id) else { return };
        match &post.hearing {
            Hearing::Type { of, topic, json, name } => {
                forget(&mut registry.types, of, id);
                if *json {
                    forget(&mut registry.typed_names, name, id);
                    forget(&mut registry.typed_topics, topic, id);
                }
            }
            Hearing::Topics(patterns) => {
                for pattern in patterns.iter() {
                    registry.topics.remove(pattern, &id);
                }
            }
            Hearing::Names(_) => {
                registry.names.remove(&id);
            }
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        drop(registry);
        self.made_room();
        quietly(|| log::debug!(target: "convoke::bus", "`{}` no longer listens to {}", struck.name(), struck.hearing));
    }

    pub(crate) fn posts(&self) -> Vec<Arc<Post>> {
        self.registry().posts.values().cloned().collect()
    }

    /// This listener if it is still registered, or else one of its name that hears the same.
    pub(crate) fn find_like(&self, post: &Arc<Post>) -> Option<Arc<Post>> {
        let registry = self.registry();
        let alike = |other: &&Arc<Post>| other.name() == post.name() && other.hearing == post.hearing;
        registry.posts.get(&Counted(post.id)).or_else(|| registry.posts.values().find(alike)).cloned()
    }

    /// Who hears events of this type, which travel on this topic.
    pub(crate) fn route_of(&self, of: TypeId, public: Option<(&str, &str)>) -> Arc<Route> {
        let registry = self.registry();
        let mut ids: Vec<_> = registry.types.get(&of).into_iter().flatten().copied().collect();
        if let Some((topic, name)) = public {
            registry.topics.for_each_match(topic, |id| ids.push(*id));
            ids.extend(registry.of_name(&self.given.publisher, name));
        }
        registry.route(ids)
    }

    /// Who hears JSON on this topic.
    pub(crate) fn route_of_topic(&self, topic: &str) -> Arc<Route> {
        let registry = self.registry();
        let mut ids: Vec<_> = registry.typed_topics.get(topic).into_iter().flatten().copied().collect();
        registry.topics.for_each_match(topic, |id| ids.push(*id));
        // It has no other name; what came from outside has, and does not leave again.
        ids.extend(registry.of_name(&self.given.publisher, topic));
        registry.route(ids)
    }

    /// Where events of this name travel, as the first says that listens to them.
    pub(crate) fn topic_of_name(&self, name: &str) -> Option<Name> {
        let registry = self.registry();
        let first = registry.typed_names.get(name)?.first()?;
        match &registry.posts.get(first)?.hearing {
            Hearing::Type { topic, .. } => Some(topic.clone()),
            Hearing::Topics(_) | Hearing::Names(_) => None,
        }
    }

    /// Whether a typed listener to this topic takes it for personal data.
    pub(crate) fn is_personal(&self, topic: &str) -> bool {
        let registry = self.registry();
        let ids = registry.typed_topics.get(topic).into_iter().flatten();
        ids.filter_map(|id| registry.posts.get(id)).any(|post| post.personal)
    }

    /// Somebody listens in: from now on every emission, on any thread, is noted.
    #[cfg(feature = "testing")]
    pub(crate) fn tap(&self, tap: Arc<dyn Tap>) {
        self.change_taps(|taps| taps.with(tap));
    }

    /// Somebody listens in no longer.
    #[cfg(feature = "testing")]
    pub(crate) fn untap(&self, tap: &Arc<dyn Tap>) {
        self.change_taps(|taps| taps.without(tap));
    }

    #[cfg(feature = "testing")]
    fn change_taps(&self, change: impl FnOnce(&Taps) -> Taps) {
        let mut registry = self.registry();
        let taps = change(registry.taps.as_deref().unwrap_or(&Taps::default()));
        let before = std::mem::replace(&mut registry.taps, (!taps.is_empty()).then(|| Arc::new(taps)));
        self.version.fetch_add(1, Ordering::AcqRel);
        drop(registry);
        drop(before);
    }

    /// A station has opened.
    pub(crate) fn joined(&self, door: &Arc<Door>) {
        self.registry().doors.push(door.clone());
    }

    /// A station is gone.
    pub(crate) fn left(&self, door: &Arc<Door>) {
        self.registry().doors.retain(|other| !Arc::ptr_eq(other, door));
    }

    pub(crate) fn doors(&self) -> Vec<Arc<Door>> {
        self.registry().doors.clone()
    }

    /// Those who sit behind this door, for the log.
    pub(crate) fn names_at(&self, door: &Arc<Door>) -> String {
        let posts = self.posts();
        let here = posts.iter().filter(|post| Arc::ptr_eq(post.door(), door));
        here.map(|post| format!("`{}`", post.name())).collect::<Vec<_>>().join(", ")
    }

    /// The last handle is gone.
    pub(crate) fn close(&self) {
        for door in self.doors() {
            door.push_always(ToStation::Close);
        }
    }

    pub(crate) fn unheard(&self) {
        self.unheard.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unheard(&self) -> u64 {
        self.unheard.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn made_room(&self) {
        self.waiters.room();
    }

    /// A listener did not do it.
    #[cold]
    pub(crate) fn failed(
        self: &Arc<Self>,
        post: &Arc<Post>,
        parcel: Arc<dyn AnyParcel>,
        error: ListenerError,
    ) -> Verdict {
        post.counts.failed();
        let name = parcel.name();
        quietly(|| {
            log::warn!(target: "convoke::listener", "{}: listener `{}` {error}", Shown::name(&name), post.name());
        });
        self.letters.bury(self, parcel, Some(post), Reason::Failed(error.clone()));
        Verdict::Failed(error)
    }

    /// A listener is not told of an event that was published to it.
    #[cold]
    pub(crate) fn dropped(self: &Arc<Self>, post: &Arc<Post>, parcel: Arc<dyn AnyParcel>, reason: Reason) {
        post.counts.dropped();
        let name = parcel.name();
        quietly(|| {
            log::warn!(target: "convoke::bus", "{}: not delivered to `{}`: {reason}", Shown::name(&name), post.name());
        });
        self.letters.bury(self, parcel, Some(post), reason);
    }

    /// Events cause each other without end.
    #[cold]
    pub(crate) fn too_deep(self: &Arc<Self>, parcel: Arc<dyn AnyParcel>, error: &TooDeep) {
        let name = parcel.name();
        quietly(|| log::warn!(target: "convoke::bus", "{}: {error}", Shown::name(&name)));
        self.letters.bury(self, parcel, None, Reason::TooDeep(error.clone()));
    }
}

/// What patterns of names are compared with.
pub(crate) fn subject(publisher: &str, event: &str) -> String {
    format!("{publisher}/{event}")
}

impl Registry {
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

    fn route(&self, ids: Vec<Id>) -> Arc<Route> {
        let posts = ids.iter().filter_map(|id| self.posts.get(id).cloned()).collect();
        Arc::new(Route::new(posts, self.taps.clone()))
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

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("id", &self.id).finish_non_exhaustive()
    }
}
