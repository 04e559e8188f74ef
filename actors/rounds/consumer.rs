//! The ready-made consumer: an actor around a closure, sync or async, that is called with each round.
//!
//! `session.rs → inbox → Consumer → closure → Delivery::finish → outcome.consumed()`

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, Addr, AsyncContext};

use super::error::{ConsumerError, JoinError};
use crate::base::{Handled, IntoHandled, Payload};
use crate::rounds::broker::{Attend, Broker, Keep};
use crate::rounds::messages::{ConsumerSeat, Keeper, Route, ToConsumer};
use crate::rounds::outcome::{FromOutcome, Outcome};
use crate::runtime::{self, Inbox, Intake, LocalContext, Player, drop_quietly, panic_text};

/// How many rounds may wait for one consumer; one more is [`ConsumerError::Busy`].
const WAITING: usize = 1 << 20;

/// What a closure made of a round.
#[doc(hidden)]
pub enum Ran {
    Done(Handled),
    Later(Pin<Box<dyn Future<Output = Handled>>>),
}

/// What a consumer runs.
type Callback<P> = Box<dyn FnMut(&Outcome<P>) -> Ran>;

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Done(_)) { "Done" } else { "Later" })
    }
}

/// A closure that consumes rounds. It is sync or async, takes a [`Resolved`](crate::Resolved), a
/// [`Cancelled`](crate::Cancelled) or an [`Outcome`], and returns nothing or a `Result`.
///
/// The trait is implemented for closures and functions. The parameter `Kind` only tells the compiler which form it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot consume rounds of `{P}`",
    label = "not a closure of one round",
    note = "a consumer is a closure or function, sync or async, of `Resolved<{P}>`, `Cancelled<{P}>` or `Outcome<{P}>`, \
            by value, returning `()` or a `Result<(), E>` with an error that is `Send + Sync`",
    note = "write the type of its argument: `|round: Resolved<{P}>| …`"
)]
pub trait Consume<P, Kind>: 'static {
    /// Returns the callback that a consumer runs.
    #[doc(hidden)]
    fn into_callback(self) -> Callback<P>;
}

/// Marks a sync closure.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sync;

/// Marks an async closure.
#[doc(hidden)]
#[derive(Debug)]
pub struct Async;

impl<P, F, T, R> Consume<P, (Sync, T, R)> for F
where
    F: FnMut(T) -> R + 'static,
    T: FromOutcome<P>,
    R: IntoHandled,
{
    fn into_callback(mut self) -> Callback<P> {
        Box::new(move |outcome| match T::from_outcome(outcome) {
            Some(round) => Ran::Done(self(round).into_handled()),
            None => Ran::Done(Ok(())),
        })
    }
}

impl<P, F, T, R> Consume<P, (Async, T, R)> for F
where
    F: AsyncFn(T) -> R + 'static,
    T: FromOutcome<P> + 'static,
    R: IntoHandled,
{
    fn into_callback(self) -> Callback<P> {
        let closure = Rc::new(self);
        Box::new(move |outcome| match T::from_outcome(outcome) {
            Some(round) => {
                let closure = closure.clone();
                Ran::Later(Box::pin(async move { closure(round).await.into_handled() }))
            }
            None => Ran::Done(Ok(())),
        })
    }
}

/// The ready-made consumer: an actor that is called with each round of its broker, in the order of the rounds.
///
/// A consumer takes one round at a time unless [`concurrency`](Self::concurrency) sets more. An error, a panic, and a
/// run longer than the broker's consumer timeout are reported in [`Outcome::consumed`]; they stop nobody else. A
/// closure that blocks its thread stops everything on that arbiter, as everywhere in actix: make it async, or send the
/// round to a `SyncArbiter` or a thread.
///
/// A sync closure may change what it captures (`FnMut`). An async closure may not (`AsyncFn`), because several calls of
/// it can be in progress at the same time.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use std::time::Duration;
///
/// # actix::System::new().block_on(async {
/// let broker = Broker::new(Duration::from_secs(1)).start();
/// let _log = Consumer::join(&broker, |round: Outcome<u32>| println!("{round}")).await?;
/// let ship = Consumer::new(async |round: Resolved<u32>| { /* … */ }).named("shipping").concurrency(8);
/// let _shipping = Consumer::join(&broker, ship).await?;
/// # Ok::<(), JoinError>(())
/// # }).unwrap();
/// ```
pub struct Consumer<P: Payload> {
    name: Option<Arc<str>>,
    concurrency: usize,
    callback: Callback<P>,
    inbox: Arc<Inbox<ToConsumer<P>>>,
    batch: Intake<ToConsumer<P>>,
    running: usize,
}

impl<P: Payload> Consumer<P> {
    /// Creates a consumer from a closure, sync or async.
    pub fn new<Kind>(consume: impl Consume<P, Kind>) -> Self {
        Self {
            name: None,
            concurrency: 1,
            callback: consume.into_callback(),
            inbox: Arc::new(Inbox::new(WAITING)),
            batch: Intake::new(),
            running: 0,
        }
    }

    /// Sets the name of the consumer, which outcomes and the log show. The default is `consumer` and a number.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how many rounds an async closure may work on at the same time. The default is 1: rounds are consumed one
    /// after the other. Zero counts as 1.
    pub fn concurrency(mut self, rounds: usize) -> Self {
        self.concurrency = rounds.max(1);
        self
    }

    /// Starts a consumer and joins it to this broker. The consumer is a closure, or one built with [`new`](Self::new).
    /// Once the future is done, the consumer hears of every round that closes.
    ///
    /// # Errors
    ///
    /// Returns `Full`, `Config`, `BrokerGone` or `NoArbiter`: see [`JoinError`].
    pub fn join<Kind, C: IntoConsumer<P, Kind>>(
        broker: &Addr<Broker<P>>,
        consumer: C,
    ) -> impl Future<Output = Result<ConsumerHandle<P>, JoinError>> + use<P, Kind, C> {
        // Started before anything is awaited, so that the future can go where the closure cannot.
        let started = runtime::is_arbiter().then(|| consumer.into_consumer().start());
        let broker = broker.clone();
        async move {
            let (address, attend) = started.ok_or(JoinError::NoArbiter)?;
            let seat = broker.send(attend).await.map_err(|_| JoinError::BrokerGone)??;
            Ok(ConsumerHandle { seat, keeper: Some(Box::new(address)), broker })
        }
    }

    fn start(self) -> (Addr<Self>, Attend<P>) {
        let attend = Attend { name: self.name.clone(), route: Route::Own(self.inbox.clone()) };
        let address = runtime::start(|ctx| {
            self.inbox.attach(ctx.home());
            self
        });
        (address, attend)
    }

    fn run(&mut self, round: ToConsumer<P>, ctx: &mut LocalContext<Self>) {
        let ToConsumer { delivery, limit } = round;
        // It waited longer than the broker waits for its consumers, and is counted as timed out.
        if delivery.is_given_up() {
            return;
        }
        let ran = catch_unwind(AssertUnwindSafe(|| (self.callback)(delivery.outcome())));
        match ran {
            Ok(Ran::Done(handled)) => {
                delivery.finish(handled.map_err(|failure| ConsumerError::Failed(failure.chain())))
            }
            Err(panic) => {
                delivery.finish(Err(ConsumerError::Panicked(panic_text(&*panic))));
                drop_quietly(panic);
            }
            Ok(Ran::Later(mut future)) => {
                self.running += 1;
                let caught = poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(handled)) => {
                        Poll::Ready(handled.map_err(|failure| ConsumerError::Failed(failure.chain())))
                    }
                    Err(panic) => {
                        let text = panic_text(&*panic);
                        drop_quietly(panic);
                        Poll::Ready(Err(ConsumerError::Panicked(text)))
                    }
                });
                let limited = async move {
                    tokio::time::timeout(limit, caught).await.unwrap_or(Err(ConsumerError::TimedOut(limit)))
                };
                ctx.spawn(wrap_future::<_, Self>(limited).map(|result, consumer, ctx| {
                    consumer.running -= 1;
                    ctx.wake();
                    delivery.finish(result);
                }));
            }
        }
    }
}

/// The argument of [`Consumer::join`]: a closure, or a consumer built with [`Consumer::new`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot consume rounds of `{P}`",
    label = "not a closure of one round",
    note = "a consumer is a closure or function, sync or async, of `Resolved<{P}>`, `Cancelled<{P}>` or `Outcome<{P}>`, \
            by value, returning `()` or a `Result<(), E>` with an error that is `Send + Sync`",
    note = "write the type of its argument: `|round: Resolved<{P}>| …`"
)]
pub trait IntoConsumer<P: Payload, Kind> {
    /// Returns the consumer.
    #[doc(hidden)]
    fn into_consumer(self) -> Consumer<P>;
}

impl<P: Payload> IntoConsumer<P, ()> for Consumer<P> {
    fn into_consumer(self) -> Consumer<P> {
        self
    }
}

impl<P: Payload, Kind, T, R, F: Consume<P, (Kind, T, R)>> IntoConsumer<P, (Kind, T, R)> for F {
    fn into_consumer(self) -> Consumer<P> {
        Consumer::new(self)
    }
}

impl<P: Payload> Actor for Consumer<P> {
    type Context = LocalContext<Self>;
}

impl<P: Payload> Player for Consumer<P> {
    fn turn(&mut self, budget: usize, ctx: &mut LocalContext<Self>) -> usize {
        self.batch.refill(&self.inbox);
        for handled in 0..budget {
            if self.running >= self.concurrency {
                return handled;
            }
            match self.batch.next(&self.inbox) {
                Some(round) => self.run(round, ctx),
                None => return handled,
            }
        }
        budget
    }

    fn is_needed(&self, connected: bool) -> bool {
        connected || !self.batch.is_empty() || !self.inbox.is_empty()
    }

    fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("the consumer `{name}`"),
            None => "a consumer without a name of its own".to_owned(),
        }
    }
}

impl<P: Payload> Drop for Consumer<P> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl<P: Payload> fmt::Debug for Consumer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).field("running", &self.running).finish_non_exhaustive()
    }
}

/// A guard that owns the registration of a consumer. Dropping it unregisters the consumer, which finishes the rounds
/// that it has and hears of no others.
#[must_use = "dropping it ends the registration, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct ConsumerHandle<P: Payload> {
    pub(crate) seat: ConsumerSeat<P>,
    /// What keeps the actor alive: an address, or the recipient that was given.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) broker: Addr<Broker<P>>,
}

impl<P: Payload> ConsumerHandle<P> {
    /// Returns the name of the consumer, which outcomes and the log show.
    pub fn name(&self) -> &str {
        self.seat.name()
    }

    /// Hands the consumer over to its broker: it hears of rounds for as long as the broker lives.
    pub fn forever(mut self) {
        self.seat.disarm();
        if let Some(keeper) = self.keeper.take() {
            runtime::post_to(&self.broker, Keep::Consumer { keeper });
        }
    }
}

impl<P: Payload> fmt::Debug for ConsumerHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerHandle").field("name", &self.seat.name()).finish_non_exhaustive()
    }
}
