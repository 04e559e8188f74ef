//! Tests without sleeping: virtual time, a check for actors left behind, seeds for the order of events, and what a test
//! looks at them with.
//!
//! `#[convoke::test] → run → your test → settle → who is still alive?`
//!
//! Under [`run`](run()) the clock stands still while anything is to be done and jumps to the next timer when nothing is:
//! an hour's timeout passes at once, and exactly. It reaches one arbiter and no socket.
//!
//! [`EventSynchronizer`] waits for events, [`Probe`] stands in for an actor, [`FakeBus`] for a bus; they work in real time
//! as well.

mod by_hand;
mod expected;
mod explore;
mod fake_bus;
mod faults;
mod plan;
mod probe;
mod probe_handle;
mod received;
mod recorder;
mod seen;
mod settled;
mod synchronizer;
mod unmet;
mod wait;
mod waits;

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, System};

pub use by_hand::{Promise, Promised};
pub use expected::Expected;
pub use explore::{Exploration, SEED_VARIABLE, explore, run_seeds};
pub use fake_bus::FakeBus;
pub use faults::Crash;
pub use probe::Probe;
pub use probe_handle::ProbeHandle;
pub use seen::Seen;
pub use settled::{Settled, Unsettled};
pub use synchronizer::EventSynchronizer;
pub use unmet::Unmet;
pub use waits::{ExpectNone, WaitFor, WaitForEvent, WaitForEvents};

use crate::events::parcels::desk;
use crate::runtime::{self, Either, Executor, VirtualDate, either};
use crate::services::supervision::keepers_here;

/// How often the other tasks of the arbiter get a turn before the check: actors that stop drop what they hold, which
/// stops others.
const QUIET_TURNS: usize = 64;

/// How long what a test has let go of may live on, in virtual time.
const LINGERING: Duration = Duration::from_secs(3);

/// Beyond so many turns a test that never comes to rest is checked as it is.
const MOST_TURNS: usize = 1_000_000;

/// Runs a test in virtual time and fails it if an actor of ours is alive when it has ended: what
/// [`#[convoke::test]`](macro@crate::test) calls.
///
/// # Panics
///
/// If the test does, or if it leaves an actor behind; the message names both.
pub fn run<F, Fut, T>(name: &str, body: F) -> T
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    told(|done| {
        let test = pin!(async { done(body().await) });
        run_erased(name, test);
    })
}

/// What does not know the test: compiled once, and not for each test, with all of a runtime in it.
fn run_erased(name: &str, test: Pin<&mut dyn Future<Output = ()>>) {
    let mut alive = Vec::new();
    in_virtual_time_erased(pin!(async {
        test.await;
        alive = left_behind().await;
    }));
    assert_none_alive(name, &alive);
}

/// Returns what `run` has handed over: the result of a test whose type nobody on the way knows.
#[expect(clippy::expect_used, reason = "a test that does not panic comes to its end")]
pub(crate) fn told<T>(run: impl FnOnce(&mut dyn FnMut(T))) -> T {
    let mut result = None;
    run(&mut |told| result = Some(told));
    result.expect("the test has ended")
}

#[expect(clippy::panic, reason = "this is how a test fails")]
pub(crate) fn assert_none_alive(name: &str, alive: &[String]) {
    if !alive.is_empty() {
        panic!(
            "{name} left behind: {}; drop its guard or address before the test ends, await what it is at, or stop what of yours holds it",
            alive.join(", ")
        );
    }
}

#[cfg(test)]
pub(crate) fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    told(|done| in_virtual_time_erased(pin!(async { done(test.await) })))
}

#[expect(clippy::expect_used, reason = "without a runtime there is no test")]
pub(crate) fn in_virtual_time_erased(test: Pin<&mut dyn Future<Output = ()>>) {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime with a stopped clock starts")
    };
    System::with_tokio_rt(runtime).block_on(async {
        // In here, where `now` is the stopped clock. A panic drops this future, and so restores the date.
        let _date = VirtualDate::start();
        test.await;
    });
}

/// Waits until nothing is left to do but to wait for time to pass.
pub async fn settle() {
    comes_to_rest().await;
}

/// Ends when the executor has been at work for so long that it never comes to rest; meanwhile time passes.
async fn restless() {
    let mut busy = 0;
    while busy < MOST_TURNS {
        if Executor::here().is_none_or(|executor| executor.is_idle()) {
            busy = 0;
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else {
            busy += 1;
            tokio::task::yield_now().await;
        }
    }
}

/// The same; says whether it has come to that.
async fn comes_to_rest() -> bool {
    let mut quiet = 0;
    for _ in 0..MOST_TURNS {
        let idle = Executor::here().is_none_or(|executor| executor.is_idle());
        quiet = if idle { quiet + 1 } else { 0 };
        if quiet >= QUIET_TURNS {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// What lives when a test is over. Services are stopped and buses drained first: a test need not stop what it has started.
/// A broker may hold the reader's own actors for a moment after a round, and they may hold the broker: three seconds of
/// virtual time end that, and anything longer is left behind.
pub(crate) async fn left_behind() -> Vec<String> {
    // For what never comes to rest no time passes: it is not waited for.
    let mut rests = comes_to_rest().await;
    if rests {
        for keeper in keepers_here().into_iter().rev() {
            rests &= matches!(either(keeper.stop(), restless()).await, Either::First(()));
        }
        for bus in desk::buses_here() {
            rests &= matches!(either(bus.drain(), restless()).await, Either::First(()));
        }
        rests = rests && comes_to_rest().await;
    }
    if rests && live_count() > 0 {
        tokio::time::sleep(LINGERING).await;
        settle().await;
    }
    alive()
}

/// Returns what lives on this arbiter: actors of ours, by name.
pub fn alive() -> Vec<String> {
    Executor::here().map(|executor| executor.labels()).unwrap_or_default()
}

/// Returns how many actors of ours live on this arbiter.
pub fn live_count() -> usize {
    Executor::here().map_or(0, |executor| executor.live())
}

/// Returns how many steps of work Convoke has counted on this thread: what its own tests of cost look at, so that they
/// need no clock. What a step is may change with any version.
#[doc(hidden)]
pub fn steps() -> u64 {
    crate::runtime::steps()
}

/// Spawns a future on the executor of our actors, so that under a seed it interleaves with them; elsewhere it runs as
/// one spawned with `actix_rt::spawn` does.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    crate::runtime::spawn_future(future);
}

/// Starts an actor of the reader's own on the executor of our actors, so that under a seed it interleaves with them, and
/// the check at the end of the test names it if it is still alive.
///
/// # Panics
///
/// Outside an actix system, as `Actor::start` does.
#[track_caller]
pub fn start<A: Actor<Context = Context<A>>>(actor: A) -> Addr<A> {
    let ctx = Context::new();
    let addr = ctx.address();
    let name = std::any::type_name::<A>();
    let name = name.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(name);
    runtime::spawn_named(move || format!("the actor `{name}`"), ctx.into_future(actor));
    addr
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::SystemTime;

    use super::*;
    use crate::runtime::wall_clock;

    #[expect(clippy::disallowed_methods, reason = "what the seam answers is compared with the clock itself")]
    fn is_real(date: impl FnOnce() -> SystemTime) -> bool {
        let before = SystemTime::now();
        let date = date();
        before <= date && date <= SystemTime::now()
    }

    #[crate::test]
    async fn the_date_starts_at_2026_and_goes_with_virtual_time() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(wall_clock(), start);
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert_eq!(wall_clock(), start + Duration::from_secs(86_400));
    }

    #[test]
    fn the_date_is_real_outside_virtual_time_and_again_after_a_panic_in_it() {
        assert!(is_real(wall_clock));
        let panicked = catch_unwind(AssertUnwindSafe(|| in_virtual_time(async { panic!("on purpose") })));
        assert!(panicked.is_err());
        assert!(is_real(wall_clock));
    }
}
