//! What all handles of a bus share: who is registered, what is provided, what is kept, and its limits.
//!
//! `EventBus → Hub → Registry (who hears it), Letters (what was not delivered)`

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::dead_letter::{Again, DeadLetter};
use super::door::ToStation;
use super::letters::Letters;
use super::limits::Limits;
use super::post::Post;
use super::registry::Registry;
use super::retained::Retained;
use super::waiters::Waiters;
use crate::base::{Noted, Shown};
#[cfg(feature = "testing")]
use crate::base::{Of, next_noted, note_as};
use crate::events::container::Container;
#[cfg(feature = "testing")]
use crate::events::event::Event;
use crate::events::middleware::Middleware;
use crate::events::parcel::{AnyParcel, Given, Tap};
use crate::events::verdict::{ListenerError, Overflow, Queued, Reason, TooDeep, Verdict};
use crate::runtime::quietly;

/// Tells those who listen to dead letters of one: what it takes to publish is above this.
pub(crate) type Tell = fn(&Arc<Hub>, DeadLetter);

/// What all handles of a bus share.
pub(crate) struct Hub {
    id: u64,
    pub(crate) registry: Registry,
    container: Container,
    middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) given: Arc<Given>,
    limits: Limits,
    pub(crate) letters: Letters,
    unheard: AtomicU64,
    retained: Mutex<Retained>,
    nobody: Arc<Vec<Arc<Post>>>,
    pub(crate) waiters: Waiters,
    open: Mutex<Weak<Open>>,
    tell: Tell,
}

/// What the handles of a bus hold in common: with the last of them the bus closes.
pub(crate) struct Open(Weak<Hub>);

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(hub) = self.0.upgrade() {
            hub.close();
        }
    }
}

impl Hub {
    pub(crate) fn new(
        container: Container,
        middleware: Vec<Arc<dyn Middleware>>,
        publisher: Arc<str>,
        limits: Limits,
        tell: Tell,
    ) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            id: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            registry: Registry::new(publisher.clone(), limits.max_listeners),
            container,
            middleware,
            given: Arc::new(Given { publisher, ..Given::default() }),
            limits,
            letters: Letters::new(limits.dead_letters),
            unheard: AtomicU64::new(0),
            retained: Mutex::new(Retained::new(limits.retained)),
            nobody: Arc::default(),
            waiters: Waiters::default(),
            open: Mutex::default(),
            tell,
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.id
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
        let open = Arc::new(Open(Arc::downgrade(self)));
        *known = Arc::downgrade(&open);
        open
    }

    pub(crate) fn retained(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listeners of an event that nobody hears.
    pub(crate) fn nobody(&self) -> Arc<Vec<Arc<Post>>> {
        self.nobody.clone()
    }

    /// All who are registered, in the order in which they came.
    pub(crate) fn posts(&self) -> Vec<Arc<Post>> {
        self.registry.posts()
    }

    /// Strikes a listener off: from now on no emission finds it.
    pub(crate) fn strike(&self, post: &Arc<Post>) {
        post.end();
        self.retire(post);
    }

    /// Lets no emission find a listener any more, which still hears what is on its way.
    pub(crate) fn retire(&self, post: &Arc<Post>) {
        let Some(struck) = self.registry.retire(post) else { return };
        self.made_room();
        quietly(|| log::debug!(target: "convoke::bus", "`{}` no longer listens to {}", struck.name(), struck.hearing));
    }

    /// Somebody listens in: from now on every emission, on any thread, is noted.
    pub(crate) fn tap(&self, tap: Arc<dyn Tap>) {
        self.registry.change_taps(|taps| taps.with(tap));
    }

    /// Somebody listens in no longer.
    pub(crate) fn untap(&self, tap: &Arc<dyn Tap>) {
        self.registry.change_taps(|taps| taps.without(tap));
    }

    /// The last handle is gone.
    fn close(&self) {
        for door in self.registry.doors() {
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
        let noted = self.bury(parcel, Some(post), Reason::Failed(error.clone()), None);
        Verdict::Failed(error, noted)
    }

    /// A listener is not told of an event that was published to it.
    #[cold]
    pub(crate) fn dropped(self: &Arc<Self>, post: &Arc<Post>, parcel: Arc<dyn AnyParcel>, reason: Reason) {
        post.counts.dropped();
        let name = parcel.name();
        quietly(|| {
            log::warn!(target: "convoke::bus", "{}: not delivered to `{}`: {reason}", Shown::name(&name), post.name());
        });
        self.bury(parcel, Some(post), reason, None);
    }

    /// An event has no room at a listener, or gives way to one that has come later.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_way(
        self: &Arc<Self>,
        post: &Arc<Post>,
        parcel: Arc<dyn AnyParcel>,
        overflow: Overflow,
    ) -> Queued {
        self.dropped(post, parcel, Reason::Overflow(overflow));
        if overflow == Overflow::Refuse { Queued::Refused } else { Queued::Dropped }
    }

    /// An event has come to a listener's queue that it cannot be told of.
    #[cold]
    pub(crate) fn unfit(
        self: &Arc<Self>,
        post: &Arc<Post>,
        parcel: Arc<dyn AnyParcel>,
        error: ListenerError,
    ) -> Queued {
        self.failed(post, parcel, error);
        Queued::Taken
    }

    /// Events cause each other without end; `again` gives this one to the bus once more.
    #[cold]
    pub(crate) fn too_deep(self: &Arc<Self>, parcel: Arc<dyn AnyParcel>, error: &TooDeep, again: Again) -> Noted {
        let name = parcel.name();
        quietly(|| log::warn!(target: "convoke::bus", "{}: {error}", Shown::name(&name)));
        self.bury(parcel, None, Reason::TooDeep(error.clone()), Some(again))
    }

    /// Keeps what was not delivered, and tells those who listen to dead letters.
    fn bury(
        self: &Arc<Self>,
        parcel: Arc<dyn AnyParcel>,
        post: Option<&Arc<Post>>,
        reason: Reason,
        again: Option<Again>,
    ) -> Noted {
        #[cfg(feature = "testing")]
        let noted = next_noted();
        #[cfg(not(feature = "testing"))]
        let noted = Noted::default();
        #[cfg(feature = "testing")]
        if let (Reason::Failed(error), true) = (&reason, DeadLetter::is_in(&*parcel)) {
            // It makes no dead letter, and has failed nevertheless.
            note_as(noted, Of::Itself, post.map(|post| post.name()), DeadLetter::NAME, || error.to_string());
        }
        let Some(letter) = self.letters.keep(&self.given, parcel, post, reason, again, noted) else { return noted };
        #[cfg(feature = "testing")]
        if letter.reason != Reason::Ended {
            let why = || letter.reason.to_string();
            note_as(noted, Of::Bus(self.id), letter.listener.as_ref(), &letter.event, why);
        }
        quietly(|| (self.tell)(self, letter));
        noted
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("id", &self.id).finish_non_exhaustive()
    }
}
