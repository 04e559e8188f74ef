//! What stands around listeners: the order of nesting, and every middleware that comes ready-made but `Measure`, which is
//! tested beside its code.

/// What is around what, and on which handlers.
mod nesting;
/// `Logging`.
mod logging;
/// `Timeout`.
mod timeout;
/// `RetryInPlace`.
mod retry;
/// `RateLimit`.
mod rate_limit;
/// `Authorize`.
mod authorize;
/// `Deduplicate`.
mod deduplicate;
/// `CircuitBreaker`.
mod circuit_breaker;
/// What is shared by listeners of two arbiters.
mod two_arbiters;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Arbiter;
use convoke::middleware::{Authorize, CircuitBreaker, Deduplicate, Logging, RateLimit, RetryInPlace, Timeout};
use convoke::prelude::*;
use convoke::{ListenerError, Listening, Middleware};
use tokio::time::Instant;

use crate::common::{Notes, SECOND, after, at_once, ms, on_a_system, settled, sleep};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Event)]
#[event(local)]
struct Ping(u32);

/// What a listener that is alone on its bus did not do.
#[track_caller]
fn error(report: &Report) -> ListenerError {
    let mut failed = report.failed();
    match (failed.next(), failed.next()) {
        (Some((_, error)), None) => error.clone(),
        _ => panic!("not one failure, but {report}"),
    }
}

fn text(report: &Report) -> String {
    error(report).to_string()
}

/// A listener that notes when it was called, and answers by the number of the call, the first being 1.
fn noting(notes: &Notes<Duration>, answer: impl Fn(u32) -> Result<(), ListenerError> + 'static) -> Listening<Ping> {
    let (notes, start, count) = (notes.clone(), Instant::now(), Cell::new(0));
    let listener = move |_: &Ping| {
        notes.add(start.elapsed());
        count.set(count.get() + 1);
        answer(count.get())
    };
    listener.named("mail")
}

fn failed(text: &str) -> Result<(), ListenerError> {
    Err(ListenerError::Failed(text.to_owned()))
}

/// Hands the call on, with everything that comes to it.
async fn twice_at_once(call: Call, next: Next) -> Handled {
    let (one, other) = tokio::join!(next.run(call.clone()), next.run(call));
    one.and(other)
}

/// The call has gone well, but whoever delivers it is not told, so that it becomes a dead letter to be delivered again.
async fn unacknowledged(call: Call, next: Next) -> Handled {
    next.run(call).await?;
    Err("the connection broke before the acknowledgement".into())
}

/// Counts how often it was dropped.
struct OnDrop(Rc<Cell<u32>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}
