//! The one seam to the world: start an actor, what time it is, a new id, chance.
//!
//! Everything an actor of ours takes from outside comes through here, so that a test can run it in virtual time and
//! on a seeded scheduler. No other file calls `Instant::now`, `Uuid::now_v7` or a spawn of tokio's.

mod bell;
mod context;
mod driver;
mod executor;
mod gap;
mod guarded;
mod inbox;
#[cfg(test)]
mod interleavings;
mod seed;
mod steps;
mod timers;
mod wake;

#[cfg(feature = "testing")]
use std::cell::Cell;
use std::time::{Duration, SystemTime};

use actix::{Addr, AsyncContext, Handler, Message, Recipient};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use bell::{Alarm, real_after, real_now, really_within};
pub use context::{LocalContext, Player};
pub(crate) use executor::{Executor, TURN, Task, TaskId, Turn, drop_quietly, quietly};
pub(crate) use guarded::{Either, Guarded, all, catch, either, panic_text, sleep, spawn_named};
pub(crate) use inbox::{Inbox, Intake, Refused, swap};
#[cfg(feature = "testing")]
pub(crate) use seed::Seed;
#[cfg(feature = "testing")]
pub(crate) use steps::steps;
pub(crate) use steps::{Counted, step};
pub(crate) use wake::Home;

/// Waits beyond this are waits for ever: a century, which no clock here overflows on.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The time, which a test may have stopped.
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// `start + wait`, but never past what an `Instant` can hold.
#[inline]
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOREVER)
}

#[cfg(feature = "testing")]
thread_local! {
    /// When the virtual time of this thread started, if a test runs in it.
    static VIRTUAL_START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What virtual time starts at, since 1970: 2026-01-01T00:00:00Z.
#[cfg(feature = "testing")]
const VIRTUAL_EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Whether a test runs on this thread in virtual time.
pub(crate) fn is_virtual() -> bool {
    #[cfg(feature = "testing")]
    if VIRTUAL_START.get().is_some() {
        return true;
    }
    false
}

/// The date; in virtual time one that is the same in every run and goes with [`now`].
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn wall_clock() -> SystemTime {
    #[cfg(feature = "testing")]
    if let Some(start) = VIRTUAL_START.get() {
        return SystemTime::UNIX_EPOCH + VIRTUAL_EPOCH + now().duration_since(start);
    }
    SystemTime::now()
}

/// While this lives, the date of its thread is that of virtual time, which starts now.
#[cfg(feature = "testing")]
#[must_use]
pub(crate) struct VirtualDate(Option<Instant>);

#[cfg(feature = "testing")]
impl VirtualDate {
    pub(crate) fn start() -> Self {
        Self(VIRTUAL_START.replace(Some(now())))
    }
}

#[cfg(feature = "testing")]
impl Drop for VirtualDate {
    fn drop(&mut self) {
        VIRTUAL_START.set(self.0);
    }
}

/// A random number; under a seed one that the seed determines.
pub(crate) fn random() -> u64 {
    // A seeded id is two random numbers side by side.
    match Executor::here().and_then(|executor| executor.seeded_id()) {
        Some(id) => id.as_u64_pair().0,
        None => fastrand::u64(..),
    }
}

/// What the future gives, or `None` if it takes longer than this. Outside a runtime with a clock it may take as long as
/// it will.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => tokio::time::timeout_at(after(now(), limit), future).await.ok(),
        Err(_) => Some(future.await),
    }
}

/// A new id, ordered by time; under a seed one that the seed determines.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn new_id() -> Uuid {
    match Executor::here().and_then(|executor| executor.seeded_id()) {
        Some(id) => id,
        None => Uuid::now_v7(),
    }
}

/// Whether actors can be started here.
pub(crate) fn is_arbiter() -> bool {
    actix::System::try_current().is_some() && tokio::runtime::Handle::try_current().is_ok()
}

/// Starts an actor on this arbiter and answers with its address.
///
/// # Panics
///
/// Outside an actix system, as `Actor::start` of actix does.
#[track_caller]
pub(crate) fn start<A: Player>(make: impl FnOnce(&mut LocalContext<A>) -> A) -> Addr<A> {
    let executor = executor_here();
    let mut addr = None;
    executor.spawn(|id| {
        let stage = context::Stage::new(executor.clone(), id, |ctx| {
            addr = Some(ctx.address());
            make(ctx)
        });
        Box::new(stage)
    });
    match addr {
        Some(addr) => addr,
        None => unreachable!("the stage was made above"),
    }
}

/// Starts an actor on this arbiter whose address nobody has asked for yet.
pub(crate) fn start_unaddressed<A: Player>(executor: &std::rc::Rc<Executor>, make: impl FnOnce(TaskId) -> A) -> TaskId {
    executor.spawn(|id| Box::new(context::Stage::new(executor.clone(), id, |_| make(id))))
}

#[track_caller]
pub(crate) fn executor_here() -> std::rc::Rc<Executor> {
    match Executor::here() {
        Some(executor) => executor,
        #[expect(clippy::panic, reason = "there is no actor and no answer without a system; actix panics here too")]
        None => panic!(
            "no actix system on this thread: start actors under #[actix::main] or inside System::new().block_on(…)"
        ),
    }
}

/// Posts a message past the bound of an actix mailbox: here and in the next function alone. What is under way is
/// bounded by a counter of the callers': one summons for each emitter, and one outcome for each consumer, of the rounds
/// that [`Room::sessions`](crate::room::Room) counts.
pub(crate) fn post<M>(to: &Recipient<M>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.do_send(message);
}

/// Posts a message to an actor of ours: one for each member that is handed over for ever, whose number is bounded, and
/// the one that stops it.
pub(crate) fn post_to<A, M>(to: &Addr<A>, message: M)
where
    A: Player + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.do_send(message);
}

/// Spawns a plain future beside the actors.
#[cfg(feature = "testing")]
#[track_caller]
pub(crate) fn spawn_future(future: impl Future<Output = ()> + 'static) {
    spawn_named(|| "a spawned future".to_owned(), future);
}
