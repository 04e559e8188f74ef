//! A question that is awaited.
//!
//! `request → Request ─ awaited → the emission, and the answers that come meanwhile → the first, or all`

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::ask_error::AskError;
use super::asked::Answers;
use crate::events::listener::Report;
use crate::runtime;

/// How long an answer is waited for unless it is said.
const DEADLINE: Duration = Duration::from_secs(30);

/// A pending request: awaiting it resolves to the first answer.
#[must_use = "nobody is asked before it is awaited"]
pub struct Request<R> {
    answers: Arc<Answers<R>>,
    emitting: Pin<Box<dyn Future<Output = Report> + Send>>,
    /// Once the emission is done.
    report: Option<Report>,
    /// Armed when there is something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
    event: &'static str,
    deadline: Duration,
    all: bool,
}

impl<R> Drop for Request<R> {
    fn drop(&mut self) {
        self.answers.let_go();
    }
}

impl<R: Send + 'static> Request<R> {
    pub(super) fn new(
        event: &'static str,
        answers: Arc<Answers<R>>,
        emitting: Pin<Box<dyn Future<Output = Report> + Send>>,
        all: bool,
    ) -> Self {
        Self { answers, emitting, report: None, timer: None, event, deadline: DEADLINE, all }
    }

    /// Sets the deadline for an answer. The default is 30 s.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether there is no more to wait for; `waker` hears of the next answer.
    fn poll_enough(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.report.is_none()
            && let Poll::Ready(report) = self.emitting.as_mut().poll(cx)
        {
            self.report = Some(report);
        }
        if self.report.is_some() || (!self.all && self.answers.has_one()) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Polls until there is an answer, all have answered, or the deadline is over.
    fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<Result<(R, Vec<R>), AskError>> {
        // Most are answered here: nobody has to be told then, and no timer is armed.
        let mut in_time = self.timer.is_none() && self.poll_enough(cx).is_ready();
        if !in_time {
            self.answers.tell(cx.waker());
            // Again, because an answer may have come before it was known whom to tell.
            in_time = self.poll_enough(cx).is_ready();
        }
        if !in_time {
            let Some(timer) = self.timer() else { return Poll::Pending };
            ready!(timer.poll(cx));
        }
        let (first, others) = self.answers.take();
        Poll::Ready(match (first, self.report.take()) {
            (Some(first), _) => Ok((first, others)),
            (None, Some(report)) if in_time => Err(self.unanswered(report)),
            (None, _) => Err(AskError::TimedOut(self.deadline)),
        })
    }

    /// The timer of the deadline. Outside a runtime with a clock there is none.
    fn timer(&mut self) -> Option<Pin<&mut Sleep>> {
        if self.timer.is_none() && Handle::try_current().is_ok() {
            let deadline = runtime::after(runtime::now(), self.deadline);
            self.timer = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
        self.timer.as_mut().map(Pin::as_mut)
    }

    #[cold]
    fn unanswered(&self, report: Report) -> AskError {
        if report.is_empty() && report.too_deep().is_none() {
            return AskError::NoAnswerer { event: self.event.to_owned(), answer: std::any::type_name::<R>() };
        }
        AskError::Failed(report)
    }
}

/// The future of a [`Request`].
#[must_use = "nobody is asked before it is awaited"]
pub struct Requesting<R>(Request<R>);

impl<R: Send + 'static> IntoFuture for Request<R> {
    type Output = Result<R, AskError>;
    type IntoFuture = Requesting<R>;

    fn into_future(self) -> Requesting<R> {
        Requesting(self)
    }
}

impl<R: Send + 'static> Future for Requesting<R> {
    type Output = Result<R, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_answered(cx).map_ok(|(first, _)| first)
    }
}

impl<R> fmt::Debug for Requesting<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Requesting").field(&self.0).finish()
    }
}

impl<R> fmt::Debug for Request<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("event", &self.event).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A pending request: awaiting it resolves to all answers.
#[derive(Debug)]
#[must_use = "nobody is asked before it is awaited"]
pub struct RequestAll<R>(pub(super) Request<R>);

impl<R: Send + 'static> RequestAll<R> {
    /// Sets the deadline for the answers. The default is 30 s.
    pub fn within(self, deadline: Duration) -> Self {
        Self(self.0.within(deadline))
    }
}

/// The future of a [`RequestAll`].
#[must_use = "nobody is asked before it is awaited"]
#[derive(Debug)]
pub struct RequestingAll<R>(Request<R>);

impl<R: Send + 'static> IntoFuture for RequestAll<R> {
    type Output = Result<Vec<R>, AskError>;
    type IntoFuture = RequestingAll<R>;

    fn into_future(self) -> RequestingAll<R> {
        RequestingAll(self.0)
    }
}

impl<R: Send + 'static> Future for RequestingAll<R> {
    type Output = Result<Vec<R>, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_answered(cx).map_ok(|(first, mut others)| {
            others.insert(0, first);
            others
        })
    }
}

/// What is polled is the emission, which is pinned elsewhere.
impl<R> Unpin for Request<R> {}
