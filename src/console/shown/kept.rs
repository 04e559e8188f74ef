//! What others keep with all that is shown, so that all workers of a server have the same; and how many follow pages.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One of each type, made when somebody asks for it first.
#[derive(Default)]
pub(super) struct Kept {
    by_type: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Kept {
    pub(super) fn get<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(known) = self.known() {
            return known;
        }
        // Without the lock: what is made may ask for something else that is kept.
        let made = Arc::new(make());
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = by_type.entry(TypeId::of::<T>()).or_insert_with(|| made.clone()).clone();
        kept.downcast().unwrap_or(made)
    }

    fn known<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        by_type.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }
}

/// Who follows the pages of a console at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Followers {
    /// How many visitors follow a page.
    pub visitors: usize,
    /// How many pages are made for them, each once a second: those who follow the same page share it.
    pub pages: usize,
}

/// Counts that.
#[derive(Debug, Default)]
pub(crate) struct Following {
    visitors: AtomicUsize,
    pages: AtomicUsize,
}

/// Counts as one while it is there.
#[derive(Debug)]
pub(crate) struct Counted {
    following: Arc<Following>,
    count: fn(&Following) -> &AtomicUsize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.following).fetch_sub(1, Ordering::AcqRel);
    }
}

impl Following {
    /// One more visitor, unless there are so many.
    pub(crate) fn visitor(self: &Arc<Self>, most: usize) -> Option<Counted> {
        let one_more = |visitors: usize| (visitors < most).then_some(visitors + 1);
        self.visitors.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Counted { following: self.clone(), count: |following| &following.visitors })
    }

    /// One more page.
    pub(crate) fn page(self: &Arc<Self>) -> Counted {
        self.pages.fetch_add(1, Ordering::AcqRel);
        Counted { following: self.clone(), count: |following| &following.pages }
    }

    pub(super) fn figures(&self) -> Followers {
        Followers { visitors: self.visitors.load(Ordering::Acquire), pages: self.pages.load(Ordering::Acquire) }
    }
}
