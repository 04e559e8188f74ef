//! Runs a test under many seeds: each is one order in which actors, messages and timers take their turns.

use std::collections::HashSet;
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::process::ExitCode;

use super::failures::{begin, unseen};
use super::rest::settle;
use super::run::{Erased, fail, here, in_virtual_time_erased, left_behind, run_with, still_alive, told};
use crate::runtime::{Executor, Seed};

/// The name of the environment variable that replays one seed.
pub const SEED_VARIABLE: &str = "CONVOKE_SEED";

/// The result of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exploration {
    /// The number of seeds that were run.
    pub seeds: u64,
    /// The number of different orders that the seeds produced.
    pub interleavings: usize,
    /// The number of choices in the longest order.
    pub longest: u64,
}

/// The return type of a test: nothing, or a `Result`. `ExitCode` and `!` do as well.
#[diagnostic::on_unimplemented(message = "a test returns nothing or a `Result`, not `{Self}`")]
pub trait Ending {
    /// Returns the text of the error, if the test failed.
    fn failure(&self) -> Option<String>;
}

impl Ending for () {
    fn failure(&self) -> Option<String> {
        None
    }
}

impl<T: Ending, E: Debug> Ending for Result<T, E> {
    fn failure(&self) -> Option<String> {
        match self {
            Ok(ending) => ending.failure(),
            Err(error) => Some(format!("{error:?}")),
        }
    }
}

impl Ending for ExitCode {
    fn failure(&self) -> Option<String> {
        (*self != Self::SUCCESS).then(|| format!("{self:?}"))
    }
}

/// Gives `!` a name, which it has nowhere else on a stable compiler.
#[doc(hidden)]
pub trait Returns {
    /// What the function returns.
    type What;
}

impl<R> Returns for fn() -> R {
    type What = R;
}

impl Ending for <fn() -> ! as Returns>::What {
    fn failure(&self) -> Option<String> {
        *self
    }
}

/// Runs a function once under each of this many seeds, and returns what the last run returned. If the variable
/// [`SEED_VARIABLE`] is set, only that seed is run.
///
/// # Panics
///
/// Panics if the function panics under some seed; the seed is printed.
#[track_caller]
pub fn run_seeds<F, Fut, T>(name: &str, seeds: u64, body: F) -> T
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    each_seed(name, seeds, body, |_| None)
}

/// Runs a test as [`run_seeds`] does. `#[convoke::test(seeds = …)]` calls it.
///
/// # Panics
///
/// Panics if the test panics or returns an error under some seed; the seed is printed.
#[track_caller]
pub fn run_test_under_seeds<F, Fut, T>(name: &str, seeds: u64, body: F) -> T
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
    T: Ending,
{
    each_seed(name, seeds, body, T::failure)
}

#[track_caller]
fn each_seed<F, Fut, T>(name: &str, seeds: u64, body: F, failure: impl Fn(&T) -> Option<String>) -> T
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    let mut last = None;
    for seed in chosen(seeds) {
        last = Some(under(name, seed, true, &body, &failure).0);
    }
    match last {
        Some(last) => last,
        None => run_with(name, here(), body, failure),
    }
}

/// Runs a test twice under each of this many seeds, and counts the different orders.
///
/// # Panics
///
/// Panics if the test panics under some seed, or if the two runs of a seed differ; the seed is printed.
#[track_caller]
pub fn explore<F, Fut>(name: &str, seeds: u64, body: F) -> Exploration
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let mut traces = HashSet::new();
    let (mut count, mut longest) = (0, 0);
    for seed in chosen(seeds) {
        let ((), first) = under(name, seed, false, &body, |()| None);
        let ((), second) = under(name, seed, false, &body, |()| None);
        assert_eq!(first, second, "{name}: two runs of seed {seed} differ; {SEED_VARIABLE}={seed} replays it");
        traces.insert(first);
        count += 1;
        longest = longest.max(first.1);
    }
    Exploration { seeds: count, interleavings: traces.len(), longest }
}

/// The seeds to run: `0..seeds`, or the one to replay.
#[expect(clippy::panic, reason = "a seed that is ignored would look like a pass")]
fn chosen(seeds: u64) -> std::ops::Range<u64> {
    let Ok(seed) = std::env::var(SEED_VARIABLE) else { return 0..seeds };
    match seed.parse::<u64>() {
        Ok(seed) => seed..seed.saturating_add(1),
        Err(_) => panic!("{SEED_VARIABLE} is `{seed}`: give the number that a failure printed, or unset it"),
    }
}

#[track_caller]
fn under<F, Fut, T>(
    name: &str,
    seed: u64,
    looks: bool,
    body: &F,
    failure: impl Fn(&T) -> Option<String>,
) -> (T, (u64, u64))
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    let (file, mut trace) = (here(), Default::default());
    let result = told(|done| {
        let mut test = pin!(async {
            let ending = body().await;
            let said = |error| format!("{name} failed under seed {seed}: {error}; {SEED_VARIABLE}={seed} replays it");
            let failure = failure(&ending).map(said);
            done(ending);
            failure
        });
        replayable(name, seed, &mut || trace = under_erased(name, file, looks, test.as_mut()));
    });
    (result, trace)
}

/// Runs this, and says which seed it was if it fails.
#[expect(clippy::print_stderr, reason = "the seed of a failure belongs beside the panic's message")]
fn replayable(name: &str, seed: u64, run: &mut dyn FnMut()) {
    Seed::lay(Some(seed));
    let run = catch_unwind(AssertUnwindSafe(run));
    // A test that starts no actor has not taken it.
    Seed::lay(None);
    run.unwrap_or_else(|panic| {
        eprintln!("{name} failed under seed {seed}; {SEED_VARIABLE}={seed} replays it");
        resume_unwind(panic)
    });
}

/// What does not know the test, as `run_erased`; returns the order that the seed came to.
fn under_erased(name: &str, file: &'static str, looks: bool, test: Erased<'_>) -> (u64, u64) {
    let (mut trace, mut own, mut alive) = Default::default();
    begin(file);
    in_virtual_time_erased(pin!(async {
        own = test.await;
        settle().await;
        trace = Executor::here().and_then(|executor| executor.trace()).unwrap_or_default();
        alive = left_behind().await;
    }));
    // An exploration is about the order of things, and looks at what it wants.
    let unseen = if looks { unseen(name) } else { None };
    fail(own, unseen.into_iter().chain(still_alive(name, &alive)).collect());
    trace
}
