//! Spares a listener that keeps failing, and tries it again after a pause.
//!
//! `call → circuit.rs (decides) → next → circuit.rs (learns)`

use std::sync::Arc;
use std::time::Duration;

use super::super::{Call, Handling, Middleware, Next, PerListener};
use super::circuit::{Change, Circuit, CircuitOpen};
use super::verdict::{Which, watched};
use crate::events::verdict::ListenerError;
use crate::runtime;

/// How long a listener is spared unless it is told.
const PAUSE: Duration = Duration::from_secs(30);

/// Stops calling a listener for a while after a number of failures in a row, and answers with an error at once.
///
/// After the [pause](Self::pause) the next call is a trial, and other calls are refused until the trial has ended. A
/// trial that succeeds closes the circuit, and every call runs as before. A trial that fails keeps the circuit open for
/// another pause. A call that is dropped, by a timeout further out, counts as failed, also as a trial. Each listener
/// has a circuit of its own, also where one `CircuitBreaker` stands around a whole bus.
///
/// The listener's own result is passed on unchanged. A refused call ends with [`CircuitOpen`]. A call that began before
/// the circuit opened or closed does not change the circuit when it ends. The log, target `convoke::listener`, tells
/// when a circuit opens (level `warn`) and when it closes (level `debug`).
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::CircuitBreaker;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let mut calls = 0;
/// let mail = move |_: &OrderPlaced| {
///     calls += 1;
///     Err::<(), _>(format!("no connection, {calls} times"))
/// };
/// let _mail = bus.on(mail.with(CircuitBreaker::new(2).pause(Duration::from_secs(60))))?;
/// for id in 0..5 {
///     bus.emit(OrderPlaced { id }).await; // the last three do not reach the mailer
/// }
/// let report = bus.emit(OrderPlaced { id: 5 }).await;
/// assert!(report.to_string().ends_with("after 2 failures in a row: failed: no connection, 2 times"));
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct CircuitBreaker {
    failures: u32,
    pause: Duration,
    when: Which,
    circuits: PerListener<Circuit>,
}

impl CircuitBreaker {
    /// Creates a circuit breaker that opens after `failures` failures in a row, for 30 s. Zero counts as 1.
    pub fn new(failures: u32) -> Self {
        Self { failures: failures.max(1), pause: PAUSE, when: Which::default(), circuits: PerListener::default() }
    }

    /// Sets how long the circuit stays open before a trial. The default is 30 s.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Counts only errors for which `condition` returns `true`. Any other error shows that the listener works. By
    /// default every error counts.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&ListenerError) -> bool + Send + Sync + 'static) -> Self {
        self.when = Which::new(condition);
        self
    }

    fn enter(&self, call: &Call) -> Result<u64, CircuitOpen> {
        let entered = self.circuits.with(call, |circuit| circuit.enter(runtime::now()));
        entered.map_err(|(retry_in, last)| CircuitOpen { failures: self.failures, retry_in, last })
    }
}

impl Middleware for CircuitBreaker {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            let turn = self.enter(&call)?;
            let dropped = ListenerError::Failed("it was dropped before it was done".to_owned());
            let mut run = Run { of: self.clone(), call: call.clone(), turn, error: Some(dropped) };
            let look =
                |error: Option<&ListenerError>| run.error = error.filter(|error| self.when.holds(error)).cloned();
            watched(next.run(call), look).await
        })
    }
}

/// A call under way, whose end is noted however it comes.
struct Run {
    of: Arc<CircuitBreaker>,
    call: Call,
    turn: u64,
    error: Option<ListenerError>,
}

impl Drop for Run {
    fn drop(&mut self) {
        let Self { of, call, turn, error } = self;
        let (listener, pause) = (call.listener(), of.pause);
        let error = error.take();
        let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
        let until = runtime::after(runtime::now(), pause);
        match of.circuits.with(call, |circuit| circuit.leave(*turn, error, of.failures, until)) {
            Change::None => {}
            Change::Opened => {
                log::warn!(target: "convoke::listener", "the circuit of `{listener}` is open for {pause:?}: it {text}");
            }
            Change::Closed => log::debug!(target: "convoke::listener", "the circuit of `{listener}` is closed again"),
        }
    }
}
