//! Who hears an event, on which arbiter: what the registry says, for one type or topic.
//!
//! `Registry → Route → Group (one for each arbiter) → Place (one for each listener)`

use std::sync::Arc;

use super::door::Door;
use super::post::Post;
use crate::events::parcel::Taps;
use crate::runtime::step;

/// Who hears an event, in the order in which they are called.
pub(crate) struct Route {
    pub(crate) posts: Arc<[Arc<Post>]>,
    pub(crate) groups: Vec<Arc<Group>>,
    /// Somebody sees when it was emitted.
    pub(crate) sees: bool,
    /// Somebody would rather refuse than lose one.
    pub(crate) refuses: bool,
    /// Those who listen in for a test.
    pub(crate) taps: Option<Arc<Taps>>,
}

/// Those of one arbiter.
pub(crate) struct Group {
    pub(crate) door: Arc<Door>,
    pub(crate) places: Vec<Place>,
}

/// A listener, and where it stands in the report.
pub(crate) struct Place {
    pub(crate) place: u32,
    pub(crate) post: Arc<Post>,
}

impl Group {
    /// One listener alone.
    pub(crate) fn of_one(post: Arc<Post>) -> Self {
        Self { door: post.door().clone(), places: vec![Place { place: 0, post }] }
    }
}

impl Route {
    /// Sorts those who hear by priority, then by when they came, and by their arbiters.
    pub(crate) fn new(mut posts: Vec<Arc<Post>>, taps: Option<Arc<Taps>>) -> Self {
        posts.sort_by_key(|post| (std::cmp::Reverse(post.priority), post.id));
        posts.dedup_by_key(|post| post.id);
        let mut groups: Vec<Group> = Vec::new();
        for (place, post) in posts.iter().enumerate() {
            step();
            let place = Place { place: place as u32, post: post.clone() };
            match groups.iter_mut().find(|group| Arc::ptr_eq(&group.door, post.door())) {
                Some(group) => group.places.push(place),
                None => groups.push(Group { door: post.door().clone(), places: vec![place] }),
            }
        }
        Self {
            sees: taps.is_some() || posts.iter().any(|post| post.sees),
            refuses: posts.iter().any(|post| post.refuses()),
            groups: groups.into_iter().map(Arc::new).collect(),
            posts: posts.into(),
            taps,
        }
    }
}
