//! The ready-made emitter: an actor that joins one broker at a time and owes its rounds a signal.
//!
//! `Emitter::join → broker.rs; emit → Membership → broker.rs; session.rs → Summons → Emitter → Pledge`

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Handler, Message, ResponseActFuture};
use tokio::sync::oneshot;

use crate::base::Payload;
use crate::rounds::broker::{Broker, Enlist, Keep};
use crate::rounds::messages::{Ask, Membership, Pledge, Seat, ToEmitter, Wants};
use crate::rounds::outcome::Outcome;
use crate::rounds::{EmitterId, JoinError, RoundId, RoundKey};
use crate::runtime::{self, Inbox, Intake, LocalContext, Player};

/// How many summonses and notices may wait for one emitter. One more summons counts as lost; one more notice is
/// dropped, and the log says so.
const WAITING: usize = 1 << 20;

/// An emitter's promise that was kept in time: the round has its signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The round.
    pub round: RoundId,
    /// What the round is about.
    pub key: Option<RoundKey>,
    /// The time since the round opened.
    pub at: Duration,
}

/// What is left to do for a pledge when the closure has returned.
type Work = Option<Pin<Box<dyn Future<Output = ()>>>>;

/// What the closure of [`Emitter::on_summons`] may return: nothing, or a future of nothing. `Kind` only tells the compiler
/// which of them it is.
#[diagnostic::on_unimplemented(
    message = "`on_summons` takes a closure that returns nothing, or a future of nothing",
    label = "`{Self}` is neither"
)]
pub trait Answering<Kind> {
    /// Returns what is left to do.
    #[doc(hidden)]
    fn into_work(self) -> Option<Pin<Box<dyn Future<Output = ()>>>>;
}

/// Marks a closure that has done its work.
#[doc(hidden)]
#[derive(Debug)]
pub struct Now;

/// Marks a closure that returns a future.
#[doc(hidden)]
#[derive(Debug)]
pub struct Later;

impl Answering<Now> for () {
    #[inline]
    fn into_work(self) -> Work {
        None
    }
}

/// Marks a closure that only panics.
#[doc(hidden)]
#[derive(Debug)]
pub struct Diverging;

/// Gives `!` a name, which it has nowhere else on a stable compiler.
#[doc(hidden)]
pub trait Returns {
    /// What the function returns.
    type What;
}

impl<R> Returns for fn() -> R {
    type What = R;
}

impl Answering<Diverging> for <fn() -> ! as Returns>::What {
    fn into_work(self) -> Work {
        self
    }
}

impl<F: Future<Output = ()> + 'static> Answering<Later> for F {
    fn into_work(self) -> Work {
        Some(Box::pin(self))
    }
}

/// The ready-made emitter. An actor: it joins one broker at a time, and owes each of its rounds a signal.
///
/// With [`on_summons`](Self::on_summons) it is asked when somebody else opens a round; without, it emits by itself.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use std::time::Duration;
///
/// # actix::System::new().block_on(async {
/// let broker = Broker::new(Duration::from_secs(1)).start();
/// let stock = Emitter::join(&broker, Emitter::new("stock").on_summons(|pledge| pledge.keep("3 left"))).await?;
/// let payment = Emitter::join(&broker, "payment").await?;
///
/// let outcome = payment.emit("paid").await?;   // opens a round; the session asks `stock`
/// assert_eq!(outcome.payloads(), ["paid", "3 left"]);
/// # drop(stock);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Emitter<P: Payload> {
    id: Option<EmitterId>,
    name: Arc<str>,
    deadline: Option<Duration>,
    on_summons: Option<Box<dyn FnMut(Pledge<P>) -> Work>>,
    on_kept: Option<Box<dyn FnMut(Kept)>>,
    on_outcome: Option<Box<dyn FnMut(Outcome<P>)>>,
    inbox: Arc<Inbox<ToEmitter<P>>>,
    batch: Intake<ToEmitter<P>>,
    pub(crate) membership: Option<Membership<P>>,
    joining: bool,
}

impl<P: Payload> Emitter<P> {
    /// Makes an emitter of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            id: None,
            name: name.into(),
            deadline: None,
            on_summons: None,
            on_kept: None,
            on_outcome: None,
            inbox: Arc::new(Inbox::new(WAITING)),
            batch: Intake::new(),
            membership: None,
            joining: false,
        }
    }

    /// Gives it an id, under which it can come back after it was lost. The default is a new UUID v7.
    pub fn with_id(mut self, id: impl Into<EmitterId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets its own deadline, from the opening of a round, or from its joining if that came later. The default is
    /// the timeout of the round alone; zero is an error. A round that can do without this emitter goes on after it, and
    /// under [`LateJoin::ThisRound`](crate::LateJoin::ThisRound) any but one of `Release::all` may: somebody may join.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Answers when a session asks for the signal: keep the pledge, veto it, move it elsewhere to keep it later, or
    /// drop it, which loses the round its signal at once.
    ///
    /// It may be asynchronous: a closure that returns a future, or an async closure. The futures of several rounds run beside
    /// each other, on the emitter's arbiter, and end with the emitter. [`Pledge::closed`] tells when one is not wanted any
    /// more. A panic in one is as one in the closure: the emitter is lost.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    ///
    /// let stock = Emitter::<u32>::new("stock").on_summons(|pledge| pledge.keep(3));
    /// let payment = Emitter::<u32>::new("payment").on_summons(async |pledge| {
    ///     // … .await
    ///     pledge.keep(1);
    /// });
    /// ```
    pub fn on_summons<R, Kind>(mut self, mut answer: impl FnMut(Pledge<P>) -> R + 'static) -> Self
    where
        R: Answering<Kind>,
    {
        self.on_summons = Some(Box::new(move |pledge| answer(pledge).into_work()));
        self
    }

    /// Calls back when a promise is kept: a round has taken its signal in time.
    pub fn on_kept(mut self, callback: impl FnMut(Kept) + 'static) -> Self {
        self.on_kept = Some(Box::new(callback));
        self
    }

    /// Calls back with the outcome of every round of its broker.
    pub fn on_outcome(mut self, callback: impl FnMut(Outcome<P>) + 'static) -> Self {
        self.on_outcome = Some(Box::new(callback));
        self
    }

    /// Starts the emitter on this arbiter, a member of no broker yet; [`EmitterExt::join`](crate::EmitterExt::join) makes it one.
    ///
    /// # Panics
    ///
    /// Outside an actix system, as `Actor::start` of actix does.
    #[track_caller]
    pub fn start(self) -> Addr<Self> {
        runtime::start(|ctx| {
            self.inbox.attach(ctx.home());
            self
        })
    }

    /// Starts the emitter on another arbiter; `make` builds it there.
    ///
    /// # Errors
    ///
    /// `EmitterGone` if that arbiter has stopped.
    pub async fn start_in_arbiter<F>(arbiter: &ArbiterHandle, make: F) -> Result<Addr<Self>, JoinError>
    where
        F: FnOnce() -> Self + Send + 'static,
    {
        let (started, address) = oneshot::channel();
        arbiter.spawn_fn(move || {
            let _ = started.send(make().start());
        });
        address.await.map_err(|_| JoinError::EmitterGone)
    }

    /// Starts an emitter, given by its name or built with [`new`](Self::new), and lets it join this broker. Once
    /// this returns, the broker knows it.
    ///
    /// # Errors
    ///
    /// Every variant of [`JoinError`] but `AlreadyJoined`.
    pub fn join<E: Into<Self>>(
        broker: &Addr<Broker<P>>,
        emitter: E,
    ) -> impl Future<Output = Result<EmitterHandle<P>, JoinError>> + use<P, E> {
        // Started before anything is awaited, so that the future can go where the emitter's closures cannot.
        let started = runtime::is_arbiter().then(|| emitter.into().start());
        let broker = broker.clone();
        async move {
            let address = started.ok_or(JoinError::NoArbiter)?;
            let seat = address.send(Settle { broker: broker.clone() }).await.map_err(|_| JoinError::EmitterGone)??;
            Ok(EmitterHandle { membership: Membership::new(seat), address, broker })
        }
    }

    pub(crate) fn settle(
        &mut self,
        broker: Addr<Broker<P>>,
    ) -> ResponseActFuture<Self, Result<Arc<Seat<P>>, JoinError>> {
        if let Some(membership) = self.membership.as_ref().filter(|membership| membership.seat().is_held()) {
            let broker = membership.broker().clone();
            return Box::pin(wrap_future(async move { Err(JoinError::AlreadyJoined { broker }) }));
        }
        if self.joining {
            return Box::pin(wrap_future(async { Err(JoinError::Joining) }));
        }
        self.joining = true;
        let wants = Wants { kept: self.on_kept.is_some(), outcome: self.on_outcome.is_some() };
        let enlist = Enlist {
            id: self.id,
            name: self.name.clone(),
            deadline: self.deadline,
            ask: if self.on_summons.is_some() { Ask::Own(self.inbox.clone()) } else { Ask::Never },
            wants: (wants != Wants::default()).then(|| (wants, self.inbox.clone())),
        };
        let answer = async move { broker.send(enlist).await.unwrap_or(Err(JoinError::BrokerGone)) };
        Box::pin(wrap_future::<_, Self>(answer).map(|membership, emitter, _| {
            emitter.joining = false;
            let membership: Membership<P> = membership?;
            let seat = membership.seat().clone();
            emitter.id = Some(seat.who.id);
            emitter.membership = Some(membership);
            Ok(seat)
        }))
    }

    pub(crate) fn seat(&self) -> Option<Arc<Seat<P>>> {
        self.membership.as_ref().map(|membership| membership.seat().clone())
    }
}

impl<P: Payload, S: Into<Arc<str>>> From<S> for Emitter<P> {
    fn from(name: S) -> Self {
        Self::new(name)
    }
}

impl<P: Payload> Actor for Emitter<P> {
    type Context = LocalContext<Self>;
}

impl<P: Payload> Player for Emitter<P> {
    fn turn(&mut self, budget: usize, ctx: &mut LocalContext<Self>) -> usize {
        self.batch.refill(&self.inbox);
        for handled in 0..budget {
            match self.batch.next(&self.inbox) {
                Some(ToEmitter::Summons(pledge)) => {
                    if let Some(work) = self.on_summons.as_mut().and_then(|answer| answer(pledge)) {
                        ctx.spawn(wrap_future(work));
                    }
                }
                Some(ToEmitter::Kept { round, key, at }) => {
                    if let Some(callback) = &mut self.on_kept {
                        callback(Kept { round, key, at });
                    }
                }
                Some(ToEmitter::Outcome(outcome)) => {
                    if let Some(callback) = &mut self.on_outcome {
                        callback(outcome);
                    }
                }
                None => return handled,
            }
        }
        budget
    }

    fn is_needed(&self, connected: bool) -> bool {
        connected
    }

    fn label(&self) -> String {
        format!("the emitter `{}`", self.name)
    }
}

impl<P: Payload> Drop for Emitter<P> {
    fn drop(&mut self) {
        // Before the summons that wait: the emitter is lost as a whole, and by this.
        self.membership = None;
        self.inbox.close();
    }
}

impl<P: Payload> fmt::Debug for Emitter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The guard of an emitter that has joined: it emits, and when it is dropped the emitter is lost to its broker.
///
/// It is a [`Membership`] with the address of its actor.
#[must_use = "dropping it ends the membership, and so does `let _ =`: give it a name, or hand it over with `.forever()`"]
pub struct EmitterHandle<P: Payload> {
    membership: Membership<P>,
    address: Addr<Emitter<P>>,
    broker: Addr<Broker<P>>,
}

impl<P: Payload> EmitterHandle<P> {
    /// Returns the address of the emitter, for messages and for other actors.
    pub fn addr(&self) -> &Addr<Emitter<P>> {
        &self.address
    }

    /// Leaves the broker in order: open rounds no longer wait for this emitter; what it has emitted stays.
    pub fn leave(self) {
        self.membership.seat().give_up(false);
    }

    /// Hands the emitter to its broker, to be a member as long as that lives, and returns its address.
    pub fn forever(self) -> Addr<Emitter<P>> {
        let Self { membership, address, broker } = self;
        let (slot, generation) = (membership.seat().slot, membership.seat().generation);
        membership.disarm();
        runtime::post_to(&broker, Keep::Emitter { slot, generation, keeper: Box::new(address.clone()) });
        address
    }
}

impl<P: Payload> Deref for EmitterHandle<P> {
    type Target = Membership<P>;

    fn deref(&self) -> &Membership<P> {
        &self.membership
    }
}

impl<P: Payload> fmt::Debug for EmitterHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitterHandle").field("membership", &self.membership).finish_non_exhaustive()
    }
}

struct Settle<P: Payload> {
    broker: Addr<Broker<P>>,
}

impl<P: Payload> Message for Settle<P> {
    type Result = Result<Arc<Seat<P>>, JoinError>;
}

impl<P: Payload> Handler<Settle<P>> for Emitter<P> {
    type Result = ResponseActFuture<Self, Result<Arc<Seat<P>>, JoinError>>;

    fn handle(&mut self, settle: Settle<P>, _: &mut Self::Context) -> Self::Result {
        self.settle(settle.broker)
    }
}
