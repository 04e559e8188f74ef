//! An actor that notes what it is sent, answers as told, and lets a test expect it.
//!
//! `send, a round, a bus → Probe (an actor) → received.rs → probe_handle.rs (in the test)`

use std::any::{Any, type_name};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Handler, Message};

use super::probe_handle::ProbeHandle;
use super::received::Received;
use crate::base::Handled;
use crate::events::bus::EventBus;
use crate::events::event::{Event, JsonEvent};
use crate::events::listener::{Heard, ListenError};
use crate::events::topics::Patterns;
use crate::runtime::{self, LocalContext, Player, panic_text};
use crate::testing::{KEPT, LIMIT, shortened};

/// How a probe answers.
enum Answer<M: Message> {
    UnlessTold,
    Answering(Box<Answering<M>>),
    Taking(Box<Taking<M>>),
}

type Answering<M> = dyn FnMut(&M) -> <M as Message>::Result;

type Taking<M> = dyn FnMut(M) -> <M as Message>::Result;

/// An actor that stands in for another one in a test. It records the messages that it receives, and answers as you set.
/// [`start`](Self::start) returns the handle with which the test expects messages.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use actix::prelude::*;
/// use convoke::testing::Probe;
///
/// #[derive(Debug, Message)]
/// #[rtype(result = "u32")]
/// struct Ship {
///     order: u64,
/// }
///
/// # System::new().block_on(async {
/// let harbor = Probe::<Ship>::new().answering(|ship| if ship.order < 100 { 1 } else { 2 }).start();
/// assert_eq!(harbor.recipient().send(Ship { order: 7 }).await?, 1);
/// assert_eq!(harbor.expect_msg().await.order, 7);
/// # Ok::<(), MailboxError>(())
/// # }).unwrap();
/// ```
///
/// A probe can be any actor that handles its message: the emitter of a round (`Probe<Summons<P>>`), a consumer
/// (`Probe<Resolved<P>>`, `Probe<Outcome<P>>`), a listener (`Probe<Heard<E>>`), or the `Recipient<M>` that your code
/// asks for.
///
/// Unless you set an answer, a probe answers `()`, or `Ok(())` for [`Handled`]. A message with another type of answer
/// is recorded and not answered: its sender gets a `MailboxError`.
///
/// A probe keeps the last 10,000 messages that the test has not taken, unless [`keeping`](Self::keeping) sets another
/// number.
pub struct Probe<M: Message> {
    answer: Answer<M>,
    show: fn(&M) -> String,
    limit: Duration,
    received: Rc<Received<M>>,
}

impl<M: Message<Result: Send> + Send + 'static> Probe<M> {
    /// Creates a probe for messages that implement `Debug`, by which a failure shows them.
    #[expect(clippy::new_without_default, reason = "a default would need `Debug` too, and nobody asks for one")]
    pub fn new() -> Self
    where
        M: fmt::Debug,
    {
        Self::showing(|message| shortened(&format!("{message:?}")))
    }

    /// Creates a probe for messages without `Debug`. A failure shows when they came, but not their contents.
    pub fn opaque() -> Self {
        Self::showing(|_| "(without `Debug`)".to_owned())
    }

    fn showing(show: fn(&M) -> String) -> Self {
        Self { answer: Answer::UnlessTold, show, limit: LIMIT, received: Rc::new(Received::new(KEPT)) }
    }

    /// Answers each message with this closure. If the closure panics, for example in an assertion, the next expectation
    /// of the test panics as well.
    pub fn answering(mut self, answer: impl FnMut(&M) -> M::Result + 'static) -> Self {
        self.answer = Answer::Answering(Box::new(answer));
        self
    }

    /// Answers each message with this closure, which consumes the message, for example to keep a pledge. The test can
    /// then not take the message; it is still counted and shown.
    pub fn taking(mut self, answer: impl FnMut(M) -> M::Result + 'static) -> Self {
        self.answer = Answer::Taking(Box::new(answer));
        self
    }

    /// Sets how long an expectation waits. The default is 5 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how many messages are kept that the test has not taken. Beyond that number the oldest are forgotten. The
    /// default is 10,000; zero counts as 1.
    pub fn keeping(self, messages: usize) -> Self {
        self.received.set_limit(messages.max(1));
        self
    }

    /// Starts the probe on this arbiter.
    ///
    /// # Panics
    ///
    /// Panics outside an actix system, as `Actor::start` of actix does.
    #[track_caller]
    pub fn start(self) -> ProbeHandle<M> {
        let (received, limit) = (self.received.clone(), self.limit);
        ProbeHandle::new(runtime::start(|_| self), received, limit, None)
    }

    fn answer(&mut self, message: M) -> Option<M::Result> {
        let number = self.received.came((self.show)(&message));
        match &mut self.answer {
            Answer::Taking(answer) => {
                self.received.taken(number);
                Some(answer(message))
            }
            Answer::Answering(answer) => {
                let result = catch_unwind(AssertUnwindSafe(|| answer(&message)));
                self.received.keep(number, message);
                Some(result.unwrap_or_else(|panic| resume_unwind(panic)))
            }
            Answer::UnlessTold => {
                self.received.keep(number, message);
                unless_told()
            }
        }
    }
}

impl<E: Event> Probe<Heard<E>> {
    /// Starts the probe as a subscriber to events of this type. It hears them in its own context until its handle is
    /// dropped. See [`EventBus::subscribe`].
    ///
    /// # Errors
    ///
    /// Returns `NoArbiter` or `Full`: see [`ListenError`].
    #[track_caller]
    pub fn subscribe(self, bus: &EventBus) -> Result<ProbeHandle<Heard<E>>, ListenError> {
        self.start_within(|ctx| bus.subscribe::<E, Self>(ctx))
    }
}

impl Probe<Heard<JsonEvent>> {
    /// Starts the probe as a subscriber to topics. See [`EventBus::subscribe_topic`].
    ///
    /// # Errors
    ///
    /// Returns `Pattern`, `NoPattern`, `NoArbiter` or `Full`: see [`ListenError`].
    #[track_caller]
    pub fn subscribe_topic(
        self,
        patterns: impl Patterns,
        bus: &EventBus,
    ) -> Result<ProbeHandle<Heard<JsonEvent>>, ListenError> {
        self.start_within(|ctx| bus.subscribe_topic::<Self>(patterns, ctx))
    }
}

impl<M: Message<Result: Send> + Send + 'static> Probe<M> {
    #[track_caller]
    fn start_within(
        self,
        subscribe: impl FnOnce(&mut LocalContext<Self>) -> Result<crate::events::seats::Subscription, ListenError>,
    ) -> Result<ProbeHandle<M>, ListenError> {
        if !runtime::is_arbiter() {
            return Err(ListenError::NoArbiter);
        }
        let (received, limit) = (self.received.clone(), self.limit);
        let mut subscribed = None;
        let addr = runtime::start(|ctx| {
            subscribed = Some(subscribe(ctx));
            self
        });
        let subscription = subscribed.transpose()?;
        Ok(ProbeHandle::new(addr, received, limit, subscription))
    }
}

/// What is answered to a message of which nothing is said.
fn unless_told<R: 'static>() -> Option<R> {
    let mut answer: Option<R> = None;
    let any: &mut dyn Any = &mut answer;
    if let Some(nothing) = any.downcast_mut::<Option<()>>() {
        *nothing = Some(());
    } else if let Some(handled) = any.downcast_mut::<Option<Handled>>() {
        *handled = Some(Ok(()));
    }
    answer
}

/// The answer of a probe, if it has one.
#[doc(hidden)]
pub struct Answered<R>(Option<R>);

impl<R> fmt::Debug for Answered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").finish_non_exhaustive()
    }
}

impl<A: Actor, M: Message> MessageResponse<A, M> for Answered<M::Result> {
    fn handle(self, _: &mut A::Context, sender: Option<OneshotSender<M::Result>>) {
        if let (Some(answer), Some(sender)) = (self.0, sender) {
            let _ = sender.send(answer);
        }
    }
}

impl<M: Message<Result: Send> + Send + 'static> Handler<M> for Probe<M> {
    type Result = Answered<M::Result>;

    fn handle(&mut self, message: M, _: &mut LocalContext<Self>) -> Answered<M::Result> {
        match catch_unwind(AssertUnwindSafe(|| self.answer(message))) {
            Ok(answer) => Answered(answer),
            Err(panic) => {
                self.received.fail(panic_text(&*panic));
                resume_unwind(panic)
            }
        }
    }
}

impl<M: Message<Result: Send> + Send + 'static> Actor for Probe<M> {
    type Context = LocalContext<Self>;
}

impl<M: Message<Result: Send> + Send + 'static> Player for Probe<M> {
    fn turn(&mut self, _: usize, _: &mut LocalContext<Self>) -> usize {
        0
    }

    fn is_needed(&self, connected: bool) -> bool {
        connected
    }

    fn label(&self) -> String {
        format!("the probe of `{}`", short_name::<M>())
    }
}

/// The name of a type without the paths in it.
pub(crate) fn short_name<T>() -> String {
    let mut short = String::new();
    for part in type_name::<T>().split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
        short += part.rsplit("::").next().unwrap_or(part);
    }
    short
}

impl<M: Message> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("of", &short_name::<M>()).finish_non_exhaustive()
    }
}
