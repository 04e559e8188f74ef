//! What lives on the arbiter of a test, and what a test starts there itself.

use std::future::Future;

use actix::{Actor, Addr, AsyncContext, Context};

use crate::base::{Of, note, what_lives};
use crate::runtime::{self, Executor, Guarded, SPAWNED};

/// Returns the names of everything alive on this arbiter: actors of Convoke and, in virtual time, workers.
pub fn alive() -> Vec<String> {
    let mut alive = Executor::here().map(|executor| executor.labels()).unwrap_or_default();
    alive.extend(what_lives());
    alive
}

/// Returns how many actors of Convoke and, in virtual time, workers are alive on this arbiter.
pub fn live_count() -> usize {
    Executor::here().map_or(0, |executor| executor.live()) + what_lives().len()
}

/// Returns how many steps of work Convoke has counted on this thread: what its own tests of cost look at, so that they
/// need no clock. What a step is may change with any version.
#[doc(hidden)]
pub fn steps() -> u64 {
    runtime::steps()
}

/// Spawns a future on the executor of Convoke's actors, so that it interleaves with them under a seed. Outside a test
/// with seeds it runs like a future spawned with `actix_rt::spawn`. If the future panics, the test fails at its end, unless
/// it expects that: `expect_failure("a spawned future")`.
#[track_caller]
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let guarded = Guarded::new(future);
    runtime::spawn_future(async move {
        if let Err(why) = guarded.await {
            log::error!(target: "convoke::runtime", "{SPAWNED} panicked and is gone: {why}");
            note(Of::Itself, Some(&SPAWNED.into()), "", || format!("panicked: {why}"));
        }
    });
}

/// Starts an actor of your own on the executor of Convoke's actors. So it interleaves with them under a seed, and the
/// check at the end of the test names the actor if it is still alive.
///
/// # Panics
///
/// Panics outside an actix system, as `Actor::start` does.
#[track_caller]
pub fn start<A: Actor<Context = Context<A>>>(actor: A) -> Addr<A> {
    let ctx = Context::new();
    let addr = ctx.address();
    let name = std::any::type_name::<A>();
    let name = name.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(name);
    runtime::spawn_named(move || format!("the actor `{name}`"), ctx.into_future(actor));
    addr
}
