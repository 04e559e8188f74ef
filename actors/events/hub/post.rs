//! A registration: what every thread knows of a listener, and the guard of whoever registered it.
//!
//! `bus.on → Post (in the registry) → Subscription (with the caller)`

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::changes::Rank;
use super::door::Door;
use super::hearing::{Hearing, Hears};
use crate::events::verdict::{Found, Naming, Overflow, Reason, Room, Sign, SubscriptionId};
use crate::runtime::quietly;

/// A queue of fewer may well be half full.
const SMALL: usize = 16;

const ACTIVE: u8 = 0;
const ENDED: u8 = 1;
const SPENT: u8 = 2;
const LOST: u8 = 3;

/// It may not want an event that it hears of: only its own arbiter knows.
const SELECTIVE: u8 = 1;
/// What it returns is known.
const HEEDED: u8 = 2;

/// What every thread knows of one listener.
pub(crate) struct Post {
    pub(crate) id: u64,
    /// What it is called if nobody has said so.
    found: Option<Found>,
    /// By what it is known: made when somebody asks, unless it was given a name.
    sign: OnceLock<Arc<Sign>>,
    pub(crate) hearing: Hearing,
    pub(crate) priority: i32,
    pub(crate) sees: bool,
    pub(crate) personal: bool,
    door: Arc<Door>,
    /// Its row at its station.
    pub(crate) row: u32,
    capacity: usize,
    overflow: Overflow,
    all_or_none: bool,
    /// [`SELECTIVE`] and [`HEEDED`], in one byte: another would make it eight larger.
    nature: u8,
    /// A test has it collect dead letters.
    #[cfg(feature = "testing")]
    collects: bool,
    /// Who finds fewer in its queue has room, and nothing is to be told: a half of what may wait, until that has been told.
    ease: AtomicUsize,
    /// In nanoseconds, of which there are enough for centuries, and which take half of the room.
    timeout: u64,
    /// Its arbiter did not answer to its end in time, and nobody waits for that any more.
    abandoned: AtomicBool,
    state: AtomicU8,
    /// How many events wait in its queue: written by its own thread alone.
    waiting: AtomicUsize,
    /// How many are on their way from other threads, of those that were given a place beforehand.
    coming: AtomicU32,
    pub(crate) counts: Counts,
    /// How many of its calls are under way as works: written by its own thread alone.
    at_work: AtomicU32,
    /// Who is told when one has ended: the keeper of a service.
    rest: Option<Arc<Notify>>,
}

/// What a listener has done: written by its own thread alone, except for what is dropped.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    /// A read and a write: a third of the cost of an addition that other threads could join in.
    #[inline]
    pub(crate) fn done(&self) {
        self.done.store(self.done.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a post is filled.
pub(crate) struct Vacancy {
    pub(crate) id: u64,
    pub(crate) naming: Naming,
    pub(crate) hearing: Hearing,
    pub(crate) priority: i32,
    pub(crate) sees: bool,
    pub(crate) personal: bool,
    pub(crate) door: Arc<Door>,
    pub(crate) row: u32,
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
    pub(crate) all_or_none: bool,
    pub(crate) selective: bool,
    pub(crate) heeded: bool,
    #[cfg(feature = "testing")]
    pub(crate) collects: bool,
    pub(crate) timeout: Duration,
    pub(crate) rest: Option<Arc<Notify>>,
}

impl Post {
    pub(crate) fn new(vacancy: Vacancy) -> Self {
        let Vacancy {
            id,
            naming,
            hearing,
            priority,
            sees,
            personal,
            door,
            row,
            capacity,
            overflow,
            all_or_none,
            selective,
            heeded,
            #[cfg(feature = "testing")]
            collects,
            timeout,
            rest,
        } = vacancy;
        let (found, sign) = match naming {
            Naming::Given(name) => (None, OnceLock::from(Arc::new(Sign { id: SubscriptionId(id), name }))),
            Naming::Found(found) => (Some(found), OnceLock::new()),
        };
        Self {
            id,
            found,
            sign,
            hearing,
            priority,
            sees,
            personal,
            door,
            row,
            capacity,
            overflow,
            all_or_none,
            nature: (u8::from(selective) * SELECTIVE) | (u8::from(heeded) * HEEDED),
            #[cfg(feature = "testing")]
            collects,
            ease: AtomicUsize::new(if capacity < SMALL { capacity } else { capacity.div_ceil(2) - 1 }),
            timeout: u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
            abandoned: AtomicBool::new(false),
            state: AtomicU8::new(ACTIVE),
            waiting: AtomicUsize::new(0),
            coming: AtomicU32::new(0),
            counts: Counts::default(),
            at_work: AtomicU32::new(0),
            rest,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.sign().name
    }

    pub(crate) fn id(&self) -> SubscriptionId {
        SubscriptionId(self.id)
    }

    /// By what it is known.
    pub(crate) fn sign(&self) -> &Arc<Sign> {
        self.sign.get_or_init(|| {
            let name = self.found.map(Found::name).unwrap_or_default();
            Arc::new(Sign { id: self.id(), name })
        })
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether nothing comes to it any more, even of what was on its way when it ended.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// How long one call of it may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout)
    }

    pub(crate) fn refuses(&self) -> bool {
        self.overflow == Overflow::Refuse
    }

    /// Its place among those who hear the same.
    pub(crate) fn rank(&self) -> Rank {
        Rank::new(self.priority, self.id)
    }

    /// Whether it keeps a place for what comes from another arbiter, or says no at once. Who may not want the event says
    /// so where it is: what it does not want is not refused.
    pub(crate) fn decides_afar(&self) -> bool {
        self.refuses() && (self.all_or_none || !self.is_selective())
    }

    /// Whether it may not want an event that it hears of.
    pub(crate) fn is_selective(&self) -> bool {
        self.nature & SELECTIVE != 0
    }

    /// Whether what it returns is known.
    pub(crate) fn is_heeded(&self) -> bool {
        self.nature & HEEDED != 0
    }

    /// Whether a test has it collect dead letters.
    #[cfg(feature = "testing")]
    pub(crate) fn collects(&self) -> bool {
        self.collects
    }

    /// Whether what it refuses nobody takes.
    pub(crate) fn is_all_or_none(&self) -> bool {
        self.all_or_none
    }

    /// Whether one more that finds so many waiting has room, and nothing is to be told of that.
    #[inline]
    pub(crate) fn is_at_ease(&self, waiting: usize) -> bool {
        waiting + self.coming() < self.ease.load(Ordering::Relaxed)
    }

    /// What happens to one more when so many wait already.
    pub(crate) fn room_for(&self, waiting: usize, room: Room) -> Option<Overflow> {
        if waiting + self.coming() < self.capacity || room == Room::Kept {
            return None;
        }
        let overflow = match (self.overflow, room) {
            (Overflow::Refuse | Overflow::DropNewest, Room::Pushed) => Overflow::DropOldest,
            (overflow, _) => overflow,
        };
        // Who drops minds only what is here already.
        (overflow == Overflow::Refuse || waiting >= self.capacity).then_some(overflow)
    }

    /// So many wait now: once, the log tells that it is half of what may. Of few it means nothing.
    pub(crate) fn mind(&self, waiting: usize) {
        if waiting < self.capacity.div_ceil(2) || self.ease.swap(self.capacity, Ordering::Relaxed) == self.capacity {
            return;
        }
        quietly(|| {
            log::warn!(
                target: "convoke::bus",
                "`{}` does not keep up: {waiting} events wait for it, and {} may: shorten its calls, or raise its `concurrency` or \
                 its `capacity`",
                self.name(), self.capacity
            );
        });
    }

    /// How many are on their way: no more than the doors of all arbiters let through.
    #[inline]
    fn coming(&self) -> usize {
        self.coming.load(Ordering::Acquire) as usize
    }

    /// Takes a place whether or not there is room.
    pub(crate) fn reserve_beyond(&self) {
        self.coming.fetch_add(1, Ordering::AcqRel);
    }

    #[inline]
    pub(crate) fn set_waiting(&self, events: usize) {
        self.waiting.store(events, Ordering::Release);
    }

    /// A call of it has become a work.
    pub(crate) fn began_work(&self) {
        self.at_work.store(self.at_work.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// One has ended.
    pub(crate) fn ended_work(&self) {
        self.at_work.store(self.at_work.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        if let Some(rest) = &self.rest {
            rest.notify_one();
        }
    }

    /// How many wait beside those of an inner seat: on their way, or in the queue of a seat around it.
    pub(crate) fn waiting_outside(&self, inside: usize) -> usize {
        self.queued().saturating_sub(inside)
    }

    /// How many wait, with those that are on their way.
    pub(crate) fn queued(&self) -> usize {
        self.waiting.load(Ordering::Acquire) + self.coming()
    }

    pub(crate) fn at_work(&self) -> usize {
        self.at_work.load(Ordering::Relaxed) as usize
    }

    /// Whether one more event has room, with those that are on their way.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Acquire) + self.coming() < self.capacity
    }

    /// Takes a place for an event that comes from another thread; several threads may together take a few too many, which
    /// have their place nevertheless.
    pub(crate) fn reserve(&self) -> bool {
        let free = |coming: u32| {
            (self.waiting.load(Ordering::Acquire) + (coming as usize) < self.capacity).then_some(coming + 1)
        };
        self.coming.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).is_ok()
    }

    pub(crate) fn unreserve(&self) {
        self.coming.fetch_sub(1, Ordering::AcqRel);
    }

    /// Nobody waits any more for its arbiter, and so nothing comes to it.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.leave_active(ENDED);
    }

    /// It has ended with its arbiter.
    pub(crate) fn lose(&self) {
        self.leave_active(LOST);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state.load(Ordering::Acquire) == LOST
    }

    /// Why it is not told of what waits for it.
    pub(crate) fn ended_by(&self) -> Reason {
        if self.is_lost() { Reason::Gone } else { Reason::Ended }
    }

    /// It has ended with its last time.
    pub(crate) fn spend(&self) {
        self.leave_active(SPENT);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.state.load(Ordering::Acquire) == SPENT
    }

    /// What it ends by first is what it has ended by.
    fn leave_active(&self, state: u8) {
        let _ = self.state.compare_exchange(ACTIVE, state, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) != ACTIVE
    }

    pub(crate) fn info(&self) -> SubscriptionInfo {
        SubscriptionInfo {
            id: self.id(),
            listener: self.name().clone(),
            hears: self.hearing.to_string(),
            of: self.hearing.told(self.personal),
            priority: self.priority,
            capacity: self.capacity,
            overflow: self.overflow,
            waiting: self.queued(),
            working: self.at_work(),
            done: self.counts.done.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("name", self.name()).field("hears", &self.hearing).finish_non_exhaustive()
    }
}

/// A snapshot of one registration of a bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// The id of the registration.
    pub id: SubscriptionId,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// What the listener hears: the name of an event, or patterns of topics.
    pub hears: String,
    /// The same for a program.
    pub of: Hears,
    /// The priority of the listener: a listener is called before listeners of a lower priority.
    pub priority: i32,
    /// How many published events may wait for the listener.
    pub capacity: usize,
    /// What happens to a published event for which the listener has no room.
    pub overflow: Overflow,
    /// How many published events wait for the listener.
    pub waiting: usize,
    /// How many calls of the listener are in progress, of those that were not done at once.
    pub working: usize,
    /// How many calls of the listener have succeeded.
    pub done: u64,
    /// How many calls of the listener have failed.
    pub failed: u64,
    /// How many events the listener did not get, because too many waited or because the registration ended.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is one for each listener, on a bus of a hundred thousand.
    #[test]
    fn what_every_thread_knows_of_a_listener_is_small() {
        let size = size_of::<Post>();
        println!("figure: {size} bytes of a post");
        assert!(size <= 168, "{size} bytes");
    }
}
