//! Who hears an event: what the registry says, for one type or topic, and what has changed since.
//!
//! `Registry → Route → Group (one for each arbiter) → Place (one for each listener)`

use std::sync::Arc;

use super::changes::{Change, Changes, Rank};
use super::door::Door;
use super::post::Post;
use crate::events::parcel::Taps;
use crate::runtime::step;

/// Who hears an event, in the order in which they are called.
pub(crate) struct Route {
    /// A report holds them as well, so that it can name who failed.
    pub(crate) posts: Arc<Vec<Arc<Post>>>,
    /// Somebody sees when it was emitted.
    pub(crate) sees: bool,
    /// If somebody refuses it, nobody is to take it.
    pub(crate) all_or_none: bool,
    /// Those who listen in.
    pub(crate) taps: Option<Arc<Taps>>,
    changes: Arc<Changes<Post>>,
    /// How many changes there were when it was true.
    known: u64,
    /// How many of the listeners see when it was emitted, and how many refuse for all.
    seeing: usize,
    refusing: usize,
}

/// Those of one arbiter.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) door: Arc<Door>,
    pub(crate) places: Vec<Place>,
}

/// A listener, and where it stands in the report.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) place: u32,
    pub(crate) post: Arc<Post>,
}

impl Group {
    /// One listener alone.
    pub(crate) fn of_one(post: Arc<Post>) -> Self {
        Self { door: post.door().clone(), places: vec![Place { place: 0, post }] }
    }

    /// The others; `None` if there are none.
    #[cold]
    pub(crate) fn without(&self, some: &[Arc<Post>]) -> Option<Arc<Self>> {
        let stays = |place: &&Place| !some.iter().any(|post| Arc::ptr_eq(post, &place.post));
        let places: Vec<_> = self.places.iter().filter(stays).cloned().collect();
        (!places.is_empty()).then(|| Arc::new(Self { door: self.door.clone(), places }))
    }
}

/// Sorts listeners by their arbiters, in the order of the first of each.
pub(crate) fn by_arbiter(places: impl Iterator<Item = Place>) -> Vec<Arc<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for place in places {
        step();
        match groups.iter_mut().find(|group| Arc::ptr_eq(&group.door, place.post.door())) {
            Some(group) => group.places.push(place),
            None => groups.push(Group { door: place.post.door().clone(), places: vec![place] }),
        }
    }
    groups.into_iter().map(Arc::new).collect()
}

impl Route {
    /// Sorts those who hear by priority, then by when they came.
    pub(crate) fn new(mut posts: Vec<Arc<Post>>, taps: Option<Arc<Taps>>, changes: Arc<Changes<Post>>) -> Self {
        posts.sort_by_key(|post| (std::cmp::Reverse(post.priority), post.id));
        posts.dedup_by_key(|post| post.id);
        posts.shrink_to_fit();
        let mut route = Self {
            known: changes.count(),
            changes,
            seeing: posts.iter().filter(|post| post.sees).count(),
            refusing: posts.iter().filter(|post| post.is_all_or_none()).count(),
            posts: Arc::new(posts),
            taps,
            sees: false,
            all_or_none: false,
        };
        route.sum_up();
        route
    }

    /// Whether nobody has come or gone since it was looked up.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        self.changes.count() == self.known
    }

    /// Takes note that all until now is known, and returns what was not; `None` if it has to be looked up anew.
    pub(crate) fn take_missed(&mut self) -> Option<Vec<Change<Post>>> {
        let (missed, now) = self.changes.since(self.known)?;
        self.known = now;
        Some(missed)
    }

    /// All who hear it, with their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        (0..).zip(self.posts.iter()).map(|(place, post)| Place { place, post: post.clone() })
    }

    /// Somebody has come; answers with its place, unless it is known.
    pub(crate) fn add(&mut self, post: &Arc<Post>) -> Option<u32> {
        let place = self.find(post.rank()).err()?;
        Arc::make_mut(&mut self.posts).insert(place, post.clone());
        self.seeing += usize::from(post.sees);
        self.refusing += usize::from(post.is_all_or_none());
        self.sum_up();
        Some(place as u32)
    }

    /// Somebody has gone; answers with the place that it had, unless it is not known.
    pub(crate) fn remove(&mut self, rank: Rank) -> Option<u32> {
        let place = self.find(rank).ok()?;
        let post = Arc::make_mut(&mut self.posts).remove(place);
        self.seeing -= usize::from(post.sees);
        self.refusing -= usize::from(post.is_all_or_none());
        self.sum_up();
        Some(place as u32)
    }

    fn find(&self, rank: Rank) -> Result<usize, usize> {
        self.posts.binary_search_by_key(&rank, |post| post.rank())
    }

    fn sum_up(&mut self) {
        self.sees = self.taps.is_some() || self.seeing > 0;
        self.all_or_none = self.refusing > 0;
    }
}
