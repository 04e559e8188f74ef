//! What may fail in a test: what it expects or looks at, and nothing else.
//!
//! `a listener fails → a dead letter (unseen) → looked at, expected, allowed; or the test fails, by name`

use std::cell::{Cell, RefCell};

use crate::base::{Shown, Unseen, take_unseen};

thread_local! {
    static EXPECTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ALLOWED: Cell<bool> = const { Cell::new(false) };
}

/// How many failures the message of a test names.
const SHOWN: usize = 5;

/// Says that this listener, consumer or service, or all who hear this event, may fail in the test: that is looked at
/// herewith, whenever and how often it happens.
///
/// Under [`#[convoke::test]`](macro@crate::test) whatever else fails, or becomes a dead letter, has to be looked at before the test
/// ends: its report is read ([`Report::failed`](crate::Report::failed), [`Report::ok`](crate::Report::ok)), or its letter
/// ([`EventBus::dead_letters`](crate::EventBus::dead_letters), or a listener to [`DeadLetter`](crate::DeadLetter)). Of a
/// consumer it is what [`consumed`](crate::Outcome::consumed) says; of a service that has panicked over no event, or has
/// failed for good, its status.
pub fn expect_failure(name: impl Into<String>) {
    EXPECTED.with_borrow_mut(|expected| expected.push(name.into()));
}

/// Lets everything fail in this test: what `#[convoke::test(allow_failures)]` calls.
pub fn allow_failures() {
    ALLOWED.set(true);
}

/// A test begins.
pub(super) fn begin() {
    take_unseen();
    EXPECTED.take();
    ALLOWED.set(false);
}

/// A test has ended.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub(super) fn assert_none_unseen(name: &str) {
    let (mut unseen, expected, allowed) = (take_unseen(), EXPECTED.take(), ALLOWED.take());
    let is_expected = |one: &Unseen| {
        let listener = one.listener.as_deref();
        expected.iter().any(|name| *name == one.event || Some(name.as_str()) == listener)
    };
    unseen.retain(|one| !is_expected(one));
    if unseen.is_empty() || allowed {
        return;
    }
    let mut told: Vec<_> = unseen.iter().take(SHOWN).map(told).collect();
    if unseen.len() > SHOWN {
        told.push(format!("and {} more", unseen.len() - SHOWN));
    }
    panic!(
        "{name} did not look at what has failed: {}; look at its report (`ok()`, `failed()`), its dead letter, the round's \
         `consumed()` or the service's status, name it with `convoke::testing::expect_failure(…)`, or write \
         `#[convoke::test(allow_failures)]`",
        told.join("; ")
    );
}

fn told(unseen: &Unseen) -> String {
    let event = Shown::name(&unseen.event);
    match &unseen.listener {
        Some(service) if unseen.event.is_empty() => format!("`{service}`: {}", unseen.why),
        Some(listener) => format!("`{listener}` on {event}: {}", unseen.why),
        None => format!("{event}: {}", unseen.why),
    }
}
