//! The end of an application: what begins it, what hurries it, and what it came to.
//!
//! `a future, shutdown_signal() → Shutdown → services.rs → ShutdownReport`

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;

use crate::base::Shown;
use crate::services::standing::ServiceStatus;

/// What ends an application: any future, as whose end it begins to shut down; or a signal that can be given twice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` ends nothing",
    label = "not what begins a shutdown",
    note = "write `shutdown_signal()`, or any future that ends with `()`: `async move {{ let _ = done.await; }}`"
)]
pub trait Shutdown {
    /// Returns what is awaited before the shutdown, and what hurries it.
    #[doc(hidden)]
    fn into_signals(self) -> (impl Future<Output = ()>, impl Future<Output = ()>);
}

impl<F: Future<Output = ()>> Shutdown for F {
    fn into_signals(self) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
        (self, pending())
    }
}

/// A second signal, which may come at any time and is remembered.
pub(crate) struct Hurry<F> {
    signal: Pin<Box<F>>,
    pub(crate) has_come: bool,
}

impl<F: Future<Output = ()>> Hurry<F> {
    pub(crate) fn new(signal: F) -> Self {
        Self { signal: Box::pin(signal), has_come: false }
    }

    pub(crate) async fn come(&mut self) {
        if !self.has_come {
            self.signal.as_mut().await;
            self.has_come = true;
        }
    }
}

/// What a shutdown came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Whether all that had been emitted or published was handled.
    pub drained: bool,
    /// How many events still waited for a listener, or were under way, when the time was over: they are lost with the
    /// process. What a route could not deliver is among them.
    pub left: usize,
    /// The service that had failed for good, if that was what ended the application.
    pub ended_by: Option<String>,
    /// Whether it was told to hurry.
    pub hurried: bool,
    /// The services that had not stopped when the time was over.
    pub late: Vec<String>,
    /// How each service was at the end.
    pub services: Vec<ServiceStatus>,
    /// How long it took.
    pub took: Duration,
}

impl ShutdownReport {
    /// Whether nothing was left undone: all was drained, and every service has stopped without an error.
    pub fn is_clean(&self) -> bool {
        self.drained && self.late.is_empty() && self.services.iter().all(|status| status.error.is_none())
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = self.services.iter().filter(|status| status.state.is_over()).count();
        write!(f, "{stopped} of {} services stopped after {:?}", self.services.len(), self.took)?;
        if let Some(service) = &self.ended_by {
            write!(f, ", because `{}` has failed", Shown::name(service))?;
        }
        if !self.drained {
            f.write_str(", not all events were handled")?;
        }
        if self.left > 0 {
            write!(f, ", {} of them are lost", self.left)?;
        }
        if !self.late.is_empty() {
            write!(f, ", too late: {}", self.late.join(", "))?;
        }
        for status in self.services.iter().filter(|status| status.error.is_some()) {
            write!(f, "; {status}")?;
        }
        Ok(())
    }
}
