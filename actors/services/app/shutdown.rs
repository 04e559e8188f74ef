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

/// The signal that ends an application: any future, whose end begins the shutdown, or a signal that can be given twice.
/// The second time it hurries the shutdown.
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

/// The result of a shutdown.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Whether all events that had been emitted or published were handled.
    pub drained: bool,
    /// The number of events that still waited for a listener, or were in progress, when the time was over. They are
    /// lost with the process. Events that a route could not deliver are among them.
    pub left: usize,
    /// The number of events that became dead letters during the shutdown: a listener failed on them, or nobody heard
    /// them. Those of [`bus.dead_letters()`](crate::EventBus::dead_letters) that are older are not counted. What a worker
    /// has brought in is not counted either, as its server keeps it.
    pub dead_letters: u64,
    /// The service that had failed for good, if that ended the application.
    pub ended_by: Option<String>,
    /// Whether the shutdown was told to hurry.
    pub hurried: bool,
    /// The names of the services that had not stopped when the time was over.
    pub late: Vec<String>,
    /// The status of each service at the end.
    pub services: Vec<ServiceStatus>,
    /// How long the shutdown took.
    pub took: Duration,
}

impl ShutdownReport {
    /// Returns whether nothing was left undone. This is `true` if
    ///
    /// - all events that had been emitted or published were handled in time (`drained`);
    /// - no event became a dead letter during the shutdown (`dead_letters`);
    /// - every service stopped in time (`late`), and the [status](ServiceStatus::error) of none shows an error. So it is
    ///   `false` if a service had failed for good.
    ///
    /// A test under `#[convoke::test]` that calls this, or shows the report, has looked at what has failed in each service.
    /// To read a field is no look.
    ///
    /// Dead letters from before the shutdown do not matter here. They end with the process, so look at
    /// [`bus.dead_letters()`](crate::EventBus::dead_letters) before that.
    pub fn is_clean(&self) -> bool {
        self.look();
        self.left_nothing()
    }

    fn left_nothing(&self) -> bool {
        let stopped = self.late.is_empty() && self.services.iter().all(|status| status.error.is_none());
        self.drained && self.dead_letters == 0 && stopped
    }

    /// A test looks at it, and so at what has failed in each service.
    fn look(&self) {
        self.services.iter().for_each(ServiceStatus::look);
    }

    /// Tells the log of it, which is no look.
    pub(super) fn log(&self) {
        let text = Text(self);
        match self.left_nothing() {
            true => log::debug!(target: "convoke::service", "{text}"),
            false => log::warn!(target: "convoke::service", "{text}"),
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look();
        Text(self).fmt(f)
    }
}

impl fmt::Debug for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look();
        f.debug_struct("ShutdownReport")
            .field("drained", &self.drained)
            .field("left", &self.left)
            .field("dead_letters", &self.dead_letters)
            .field("ended_by", &self.ended_by)
            .field("hurried", &self.hurried)
            .field("late", &self.late)
            .field("services", &self.services)
            .field("took", &self.took)
            .finish()
    }
}

/// The text of a report.
struct Text<'a>(&'a ShutdownReport);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let stopped = report.services.iter().filter(|status| status.state.is_over()).count();
        write!(f, "{stopped} of {} services stopped after {:?}", report.services.len(), report.took)?;
        if let Some(service) = &report.ended_by {
            write!(f, ", because `{}` has failed", Shown::name(service))?;
        }
        if !report.drained {
            f.write_str(", not all events were handled")?;
        }
        if report.left > 0 {
            write!(f, ", {} of them are lost", report.left)?;
        }
        match report.dead_letters {
            0 => {}
            1 => f.write_str(", 1 dead letter")?,
            letters => write!(f, ", {letters} dead letters")?,
        }
        if !report.late.is_empty() {
            write!(f, ", too late: {}", report.late.join(", "))?;
        }
        for status in report.services.iter().filter(|status| status.error.is_some()) {
            write!(f, "; {status}")?;
        }
        Ok(())
    }
}
