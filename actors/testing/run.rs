//! A test in virtual time, and what it must not leave behind.
//!
//! `#[convoke::test] → run → the test → what it let go of ends → who is still alive?`

use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::time::Duration;

use actix::System;

use super::arbiter::{alive, live_count};
use super::explore::Ending;
use super::failures::{begin, unseen};
use super::rest::{comes_to_rest, restless, settle};
use crate::events::bus::buses_here;
use crate::runtime::{Either, VirtualDate, either};
use crate::services::supervision::keepers_here;

/// How long what a test has let go of may live on, in virtual time.
const LINGERING: Duration = Duration::from_secs(3);

/// Runs a test in virtual time. Fails the test if an actor of Convoke is still alive when the test has ended, or if
/// something failed that the test has not [looked at](crate::testing::expect_failure). What the test returns is returned.
///
/// # Panics
///
/// Panics if the test panics, if it leaves an actor behind, or if it has not looked at a failure. The message names the
/// test and what was left.
#[track_caller]
pub fn run<F, Fut, T>(name: &str, body: F) -> T
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    run_with(name, here(), body, |_| None)
}

/// Runs a test as [`run`](run()) does. If the test has returned an error and is to fail for another reason as well, the
/// message says the error first. [`#[convoke::test]`](macro@crate::test) calls it.
///
/// # Panics
///
/// Panics as [`run`](run()) does.
#[track_caller]
pub fn run_test<F, Fut, T>(name: &str, body: F) -> T
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
    T: Ending,
{
    run_with(name, here(), body, T::failure)
}

/// The file of whoever runs a test.
#[track_caller]
pub(super) fn here() -> &'static str {
    Location::caller().file()
}

pub(super) fn run_with<F, Fut, T>(
    name: &str,
    file: &'static str,
    body: F,
    failure: impl FnOnce(&T) -> Option<String>,
) -> T
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    told(|done| {
        let test = pin!(async {
            let ending = body().await;
            let failure = failure(&ending);
            done(ending);
            failure
        });
        run_erased(name, file, test);
    })
}

/// A test whose type nobody knows; it gives the text of the error that it has returned.
pub(super) type Erased<'a> = Pin<&'a mut dyn Future<Output = Option<String>>>;

/// What does not know the test: compiled once, and not for each test, with all of a runtime in it.
fn run_erased(name: &str, file: &'static str, test: Erased<'_>) {
    let (mut own, mut alive) = (None, Vec::new());
    begin(file);
    in_virtual_time_erased(pin!(async {
        own = test.await;
        alive = left_behind().await;
    }));
    let others: Vec<_> = unseen(name).into_iter().chain(still_alive(name, &alive)).collect();
    // An error alone is for the harness, which knows what was returned.
    if !others.is_empty() {
        fail(own.map(|error| format!("{name} failed: {error}")), others);
    }
}

/// Fails a test: with its own error first, which the others may come of.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub(super) fn fail(own: Option<String>, others: Vec<String>) {
    let all: Vec<_> = own.into_iter().chain(others).collect();
    if !all.is_empty() {
        panic!("{}", all.join("\n"));
    }
}

/// Returns what `run` has handed over: the result of a test whose type nobody on the way knows.
#[expect(clippy::expect_used, reason = "a test that does not panic comes to its end")]
pub(crate) fn told<T>(run: impl FnOnce(&mut dyn FnMut(T))) -> T {
    let mut result = None;
    run(&mut |told| result = Some(told));
    result.expect("the test has ended")
}

/// What is said of those who still live when a test has ended.
pub(super) fn still_alive(name: &str, alive: &[String]) -> Option<String> {
    let text = || {
        format!(
            "{name} left behind: {}; drop its guard or address before the test ends, await what it is at, or stop what of yours holds it",
            alive.join(", ")
        )
    };
    (!alive.is_empty()).then(text)
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
        for bus in buses_here() {
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
