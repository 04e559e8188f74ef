//! What fails a test at its end, case by case: each is red for one reason, and green once that was looked at.

/// What a test says that fails for more than one reason.
mod said;
/// A look at a failure, which is one at that failure and at no other.
mod looks;
/// A dead letter that somebody hears.
mod letters;
/// What an emitter, or a future of the test's, has panicked in.
mod callbacks;
/// What has ended a round, and what came after it.
mod rounds;
/// How a service begins, and how it stops.
mod services;

use std::panic::{AssertUnwindSafe, catch_unwind};

use convoke::prelude::*;
use convoke::testing;
use serde::{Deserialize, Serialize};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

const ORDER: OrderPlaced = OrderPlaced { id: 7 };

type Look<T> = fn(T);

/// What a test says in the end, if it fails.
fn end_of<F: AsyncFnOnce(EventBus)>(test: F) -> Result<(), String> {
    said(|| testing::run("this test", async || test(EventBus::default()).await))
}

/// What is said by what panics.
fn said<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

/// Asserts that the test is red without a look, and says this; and that it is green with one.
fn red_until<A: AsyncFnOnce(EventBus), B: AsyncFnOnce(EventBus)>(text: &str, without: A, with: B) {
    let end = end_of(without).unwrap_err();
    assert!(end.starts_with(&format!("this test did not look at what has failed: {text}; look at")), "{end}");
    assert_eq!(end_of(with), Ok(()), "it was looked at: {text}");
}
