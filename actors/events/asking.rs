//! A question: an event that is answered.
//!
//! `request → Asked (in a parcel of its own kind) → answerers → answers`

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use crate::base::debug_is_display;
use crate::base::{Failure, Shown};
use crate::events::bus::{Emitting, EventBus};
use crate::events::event::{Address, BadPayload, Event, JsonEvent, Kind, Name, Subject};
use crate::events::hub::{EventType, Hearing};
use crate::events::listener::{Function, ListenError, Listening, Report, Returned, Way};
use crate::events::parcel::Parcel;
use crate::events::seats::Subscription;
use crate::events::verdict::ListenerError;
use crate::runtime;

/// How long an answer is waited for unless it is said.
const DEADLINE: Duration = Duration::from_secs(30);

/// The error of a [`request`](EventBus::request) that got no answer.
#[derive(Clone)]
#[non_exhaustive]
pub enum AskError {
    /// No answerer is registered for this event and this type of answer.
    NoAnswerer {
        /// The event's name.
        event: String,
        /// The type of the requested answer.
        answer: &'static str,
    },
    /// All answerers have failed; the report contains the error of each.
    Failed(Report),
    /// No answer has arrived within this time.
    TimedOut(Duration),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswerer { event, answer } => {
                let event = Shown::name(event);
                write!(f, "nobody answers {event} with `{answer}`: register one with `bus.answer(…)`")
            }
            Self::Failed(report) => write!(f, "nobody has answered: {report}"),
            Self::TimedOut(limit) => write!(f, "nobody has answered within {limit:?}: ask with a longer `within`"),
        }
    }
}

impl std::error::Error for AskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(report) => Some(report),
            _ => None,
        }
    }
}

debug_is_display!(AskError);

/// An event and the answers to it.
pub(crate) struct Asked<E, R> {
    event: Arc<E>,
    answers: Arc<Answers<R>>,
}

impl<E, R> fmt::Debug for Asked<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

/// The answers that have come, until whoever asked takes them.
pub(crate) struct Answers<R>(Mutex<Come<R>>);

struct Come<R> {
    /// By itself, because most questions have no other.
    first: Option<R>,
    others: Vec<R>,
    waker: Option<Waker>,
}

impl<R> Answers<R> {
    fn new() -> Self {
        Self(Mutex::new(Come { first: None, others: Vec::new(), waker: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Come<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, answer: R) {
        let waker = {
            let mut come = self.lock();
            match &come.first {
                None => come.first = Some(answer),
                Some(_) => come.others.push(answer),
            }
            come.waker.take()
        };
        if let Some(waker) = waker {
            runtime::quietly(|| waker.wake());
        }
    }
}

impl<E: Event, R: Send + 'static> Subject for Asked<E, R> {
    const ASKED: bool = true;

    type Noted = E;

    fn noted(asked: &Arc<Self>) -> &Arc<E> {
        &asked.event
    }

    fn name(&self) -> Name {
        E::NAME.into()
    }

    fn topic(&self) -> Name {
        E::TOPIC.into()
    }

    fn kind(&self) -> Kind {
        self.event.kind()
    }

    fn is_personal(&self) -> bool {
        E::CONTAINS_PERSONAL_DATA
    }

    fn has_json(&self) -> bool {
        false
    }

    fn is_retained(&self) -> bool {
        false
    }

    fn address(&self) -> Address<'_> {
        Address::Type { public: None }
    }

    fn to_json(&self) -> Option<Result<Value, serde_json::Error>> {
        None
    }

    fn from_json(_: Cow<'_, JsonEvent>) -> Option<Result<Self, BadPayload>> {
        None
    }
}

/// The return value of an answerer that cannot fail. An answerer that can fail returns a `Result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<R>(pub R);

impl<R> Returned for Answer<R> {}

/// The return type of an answerer: [`Answer<R>`](Answer), or a `Result<R, E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer",
    label = "not an answer",
    note = "an answerer returns `Answer(value)`, or a `Result` of the value"
)]
pub trait IntoAnswer {
    /// The type of the answer.
    type Answer: Send + 'static;

    /// Converts the return value into a `Result`.
    #[doc(hidden)]
    fn into_answer(self) -> Result<Self::Answer, ListenerError>;
}

impl<R: Send + 'static> IntoAnswer for Answer<R> {
    type Answer = R;

    fn into_answer(self) -> Result<R, ListenerError> {
        Ok(self.0)
    }
}

impl<R: Send + 'static, X: Into<Failure>> IntoAnswer for Result<R, X> {
    type Answer = R;

    fn into_answer(self) -> Result<R, ListenerError> {
        self.map_err(|error| ListenerError::from(error.into()))
    }
}

/// A question is put to an answerer, and its answer is kept.
#[derive(Debug)]
pub(crate) struct Asking;

impl<E: Event, Out: IntoAnswer> Way<Asked<E, Out::Answer>, E, Out> for Asking {
    type Kept = Arc<Answers<Out::Answer>>;

    fn event(parcel: &Parcel<Asked<E, Out::Answer>>) -> &Arc<E> {
        &parcel.event.event
    }

    fn keep(parcel: &Arc<Parcel<Asked<E, Out::Answer>>>) -> Self::Kept {
        parcel.event.answers.clone()
    }

    fn finish(answers: Self::Kept, out: Out) -> Result<(), ListenerError> {
        answers.give(out.into_answer()?);
        Ok(())
    }
}

impl EventBus {
    /// Registers an answerer: a function of an event, like a listener, that returns [`Answer(value)`](Answer) or a
    /// `Result` of the value.
    ///
    /// The answerer is called only for a [`request`](Self::request) or a [`request_all`](Self::request_all), and not
    /// for events that are emitted or published.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Event, Serialize, Deserialize)]
    /// struct PriceAsked {
    ///     item: u64,
    /// }
    ///
    /// struct Quote(u64);
    ///
    /// # actix::System::new().block_on(async {
    /// let bus = EventBus::default();
    /// let _prices = bus.answer(|asked: &PriceAsked| Answer(Quote(asked.item * 3)))?;
    /// let quote = bus.request::<Quote>(PriceAsked { item: 7 }).await?;
    /// assert_eq!(quote.0, 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`on`](Self::on).
    #[track_caller]
    pub fn answer<E: Event, Out: IntoAnswer, Kind, F: Function<E, Out, Kind>>(
        &self,
        answerer: F,
    ) -> Result<Subscription, ListenError> {
        let listening = Listening::new::<F>(F::SEES, |seating| answerer.seat::<Asked<E, Out::Answer>, Asking>(seating));
        self.register(listening, asked::<E, Out::Answer>(), E::CONTAINS_PERSONAL_DATA, Location::caller())
    }

    /// Asks all answerers of this event that return an `R`, concurrently, and resolves to the first answer.
    ///
    /// No answerer is called before the returned [`Request`] is awaited. The deadline is 30 s, unless
    /// [`Request::within`] sets another.
    ///
    /// # Errors
    ///
    /// Resolves to [`AskError::NoAnswerer`] if no answerer is registered, to [`AskError::Failed`] if all answerers have
    /// failed, and to [`AskError::TimedOut`] if no answer has arrived by the deadline.
    pub fn request<R: Send + 'static>(&self, event: impl Event) -> Request<R> {
        self.ask(event, false)
    }

    /// Asks all answerers of this event that return an `R`, concurrently, and resolves to all answers.
    ///
    /// The result is ready when all answerers have answered or failed. At the deadline, it is ready with the answers
    /// that have arrived by then. The deadline is 30 s, unless [`RequestAll::within`] sets another.
    ///
    /// # Errors
    ///
    /// Resolves to the errors of [`request`](Self::request), if there is no answer at all.
    pub fn request_all<R: Send + 'static>(&self, event: impl Event) -> RequestAll<R> {
        RequestAll(self.ask(event, true))
    }

    fn ask<E: Event, R: Send + 'static>(&self, event: E, all: bool) -> Request<R> {
        let answers = Arc::new(Answers::new());
        let asked = Asked { event: Arc::new(event), answers: answers.clone() };
        let emitting = Emitting::new(self.line().clone(), asked);
        Request {
            answers,
            emitting: Box::pin(emitting),
            report: None,
            timer: None,
            event: E::NAME,
            deadline: DEADLINE,
            all,
        }
    }
}

fn asked<E: Event, R: 'static>() -> Hearing {
    let of = TypeId::of::<Asked<E, R>>();
    Hearing::Type { of, event: const { &EventType { name: E::NAME, topic: E::TOPIC, json: false } } }
}

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

impl<R: Send + 'static> Request<R> {
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
        if self.report.is_some() || (!self.all && self.answers.lock().first.is_some()) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Polls until there is an answer, all have answered, or the deadline is over.
    fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<Result<(R, Vec<R>), AskError>> {
        // Most are answered here: nobody has to be told then, and no timer is armed.
        let mut in_time = self.timer.is_none() && self.poll_enough(cx).is_ready();
        if !in_time {
            self.answers.lock().waker = Some(cx.waker().clone());
            // Again, because an answer may have come before it was known whom to tell.
            in_time = self.poll_enough(cx).is_ready();
        }
        if !in_time {
            let Some(timer) = self.timer() else { return Poll::Pending };
            ready!(timer.poll(cx));
        }
        let (first, others) = {
            let mut come = self.answers.lock();
            (come.first.take(), std::mem::take(&mut come.others))
        };
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
pub struct RequestAll<R>(Request<R>);

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
