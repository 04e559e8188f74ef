//! What may fail in a test: what it expects or looks at, and nothing else.
//!
//! `a listener fails → a dead letter (unseen) → looked at, expected, allowed; or the test fails, by name`

use std::cell::{Cell, RefCell};

use crate::base::{Shown, Unseen, begin_in, take_unseen};
use crate::runtime::take_dropped_badly;

thread_local! {
    static EXPECTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ALLOWED: Cell<bool> = const { Cell::new(false) };
}

/// What a `Drop` is called that has panicked, of whatever value.
const DROP: &str = "a drop";

/// How many failures the message of a test names.
const SHOWN: usize = 5;

/// Allows this listener, consumer or service, or every listener of this event, to fail in the test. Such a failure
/// counts as looked at, whenever and however often it happens.
///
/// Under [`#[convoke::test]`](macro@crate::test) the test has to look at every other failure and every dead letter
/// before it ends. It does so:
///
/// - for a listener: by reading the report ([`Report::failed`](crate::Report::failed),
///   [`Report::ok`](crate::Report::ok)), or the dead letter ([`EventBus::dead_letters`](crate::EventBus::dead_letters),
///   a wait for a [`DeadLetter`](crate::DeadLetter), or a listener to it that is registered in the file of the test and
///   is called with it);
/// - for a consumer: by reading [`consumed`](crate::Outcome::consumed);
/// - for an emitter: by reading why the round was cancelled, or who is missing;
/// - for a service that panicked without an event, did not start again or stop well, or has failed for good: by reading
///   its status, but not the one that `stop` returns, or by reading the report of a shutdown
///   ([`ShutdownReport::is_clean`](crate::ShutdownReport::is_clean) or its text).
///
/// A future that [`spawn`](crate::testing::spawn) has spawned is named `a spawned future`, and a value that panicked when
/// Convoke dropped it `a drop`.
pub fn expect_failure(name: impl Into<String>) {
    EXPECTED.with_borrow_mut(|expected| expected.push(name.into()));
}

/// Allows everything to fail in this test. `#[convoke::test(allow_failures)]` calls it.
pub fn allow_failures() {
    ALLOWED.set(true);
}

/// A test begins that stands in this file.
pub(super) fn begin(file: &'static str) {
    begin_in(file);
    take_dropped_badly();
    EXPECTED.take();
    ALLOWED.set(false);
}

/// A test has ended: what is said of the failures that it has not looked at.
pub(super) fn unseen(name: &str) -> Option<String> {
    let (unseen, drops) = (take_unseen(), take_dropped_badly());
    let (expected, allowed) = (EXPECTED.take(), ALLOWED.take());
    let is_expected = |one: &Unseen| {
        let listener = one.listener.as_deref();
        expected.iter().any(|name| *name == one.event || Some(name.as_str()) == listener)
    };
    let mut left: Vec<_> = unseen.iter().filter(|one| !is_expected(one)).map(told).collect();
    if !expected.iter().any(|name| name == DROP) {
        left.extend(drops.iter().map(|why| format!("`{DROP}`: panicked: {why}")));
    }
    if left.is_empty() || allowed {
        return None;
    }
    let more = left.len().saturating_sub(SHOWN);
    left.truncate(SHOWN);
    if more > 0 {
        left.push(format!("and {more} more"));
    }
    Some(format!(
        "{name} did not look at what has failed: {}; look at its report (`ok()`, `failed()`), its dead letter, the round's \
         `consumed()` or the service's status, name it with `convoke::testing::expect_failure(…)`, or write \
         `#[convoke::test(allow_failures)]`",
        left.join("; ")
    ))
}

fn told(unseen: &Unseen) -> String {
    let event = Shown::name(&unseen.event);
    match &unseen.listener {
        Some(service) if unseen.event.is_empty() => format!("`{service}`: {}", unseen.why),
        Some(listener) => format!("`{listener}` on {event}: {}", unseen.why),
        None => format!("{event}: {}", unseen.why),
    }
}
