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
#[cfg(feature = "testing")]
use crate::base::{CRASH, Of, note};
use crate::rounds::broker::{Broker, Enlist, Keep};
use crate::rounds::messages::{Ask, Farewell, Membership, Pledge, Seat, ToEmitter, Wants};
use crate::rounds::outcome::Outcome;
use crate::rounds::{EmitterId, JoinError, RoundId, RoundKey};
use crate::runtime::{self, Inbox, Intake, LocalContext, Player};

/// How many summonses and notices may wait for one emitter. One more summons counts as lost; one more notice is
/// dropped, and the log says so.
const WAITING: usize = 1 << 20;

/// A promise that was kept in time: the round has the emitter's signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number of the round.
    pub round: RoundId,
    /// What the round is about; `None` for a round without a key.
    pub key: Option<RoundKey>,
    /// The time since the round opened.
    pub at: Duration,
}

/// What is left to do for a pledge when the closure has returned.
type Work = Option<Pin<Box<dyn Future<Output = ()>>>>;

/// The return type of the closure of [`Emitter::on_summons`]: nothing, or a future of nothing. The parameter `Kind`
/// only tells the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`on_summons` takes a closure that returns nothing, or a future of nothing",
    label = "`{Self}` is neither"
)]
pub trait Answering<Kind> {
    /// Returns the future that is left to run, if there is one.
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

/// The ready-made emitter: an actor that joins one broker at a time and owes each of the broker's rounds a signal.
///
/// With [`on_summons`](Self::on_summons) the emitter is asked for its signal when another emitter opens a round.
/// Without it, you emit through the emitter's [handle](EmitterHandle).
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
    weight: u32,
    on_summons: Option<Box<dyn FnMut(Pledge<P>) -> Work>>,
    /// The rounds for which a future of `on_summons` has not ended.
    working: Vec<RoundId>,
    on_kept: Option<Box<dyn FnMut(Kept)>>,
    on_outcome: Option<Box<dyn FnMut(Outcome<P>)>>,
    inbox: Arc<Inbox<ToEmitter<P>>>,
    batch: Intake<ToEmitter<P>>,
    pub(crate) membership: Option<Membership<P>>,
    joining: bool,
}

impl<P: Payload> Emitter<P> {
    /// Creates an emitter with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            id: None,
            name: name.into(),
            deadline: None,
            weight: 1,
            on_summons: None,
            working: Vec::new(),
            on_kept: None,
            on_outcome: None,
            inbox: Arc::new(Inbox::new(WAITING)),
            batch: Intake::new(),
            membership: None,
            joining: false,
        }
    }

    /// Sets the id of the emitter. With this id the emitter can come back after it was lost. The default is a new UUID
    /// v7.
    pub fn with_id(mut self, id: impl Into<EmitterId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the emitter's own deadline. It counts from the opening of a round, or from the time when the emitter joined
    /// if that was later. By default only the timeout of the round applies. Zero is an error.
    ///
    /// After this deadline, a round that can do without the emitter goes on. Under
    /// [`LateJoin::ThisRound`](crate::LateJoin::ThisRound) every round goes on unless its release is `Release::all`,
    /// because another emitter may still join.
    ///
    /// An emitter that works on its answer can ask for more time with [`Pledge::heartbeat`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how much the emitter's voice weighs in a [`Release::when`](crate::Release::when) that looks at
    /// [`Gathered::weight`](crate::Gathered::weight). Nothing else looks at it. The default is 1.
    ///
    /// Zero is a voice without a weight: the emitter owes its signal and is waited for like any other, and its signal adds
    /// nothing.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use std::time::Duration;
    ///
    /// # actix::System::new().block_on(async {
    /// let broker = Broker::new(Duration::from_secs(1)).release(Release::when(|gathered| gathered.weight() >= 3)).start();
    /// let chair = Emitter::join(&broker, Emitter::new("chair").weight(2)).await?;
    /// let member = Emitter::join(&broker, "member").await?;
    /// let _observer = Emitter::join(&broker, Emitter::new("observer").weight(0)).await?;
    ///
    /// let (chair, _member) = tokio::join!(chair.emit("yes"), member.emit("yes"));
    /// assert!(chair?.is_resolved());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Sets the closure that answers when a round asks for the emitter's signal. The closure gets a [`Pledge`], and
    /// keeps it, vetoes it, moves it elsewhere to keep it later, or drops it. When the pledge is dropped, the round
    /// loses the signal at once.
    ///
    /// The closure may be asynchronous: an async closure, or one that returns a future. The futures of several rounds
    /// run at the same time on the emitter's arbiter. [`Pledge::closed`] tells a future when its result is no longer
    /// needed. A panic in a future has the effect of a panic in the closure: the emitter is lost.
    ///
    /// A future runs until it finishes. The end of its round does not stop it, so that it can undo what it has begun. The
    /// end of the emitter does: when the emitter's [handle](EmitterHandle) and all its addresses have been dropped, the
    /// futures that still run are dropped where they wait. After [`forever`](EmitterHandle::forever) that is the end of
    /// the broker. To let them finish, hold [`addr`](EmitterHandle::addr) until then, or run the work in a future that you
    /// spawn yourself.
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

    /// Sets a callback that is called when the emitter has kept a promise: a round has taken its signal in time.
    ///
    /// At a durable broker it is called once the signal is a row. A signal that waits for its round, and one that another process
    /// has to decide about, is told of when that round is over. What another emitter of the same name has emitted is none of this one's.
    pub fn on_kept(mut self, callback: impl FnMut(Kept) + 'static) -> Self {
        self.on_kept = Some(Box::new(callback));
        self
    }

    /// Sets a callback that is called with the outcome of every round of the emitter's broker.
    ///
    /// At a durable broker it is called with the outcome of the rounds to which this emitter has emitted, that it has vetoed, or for which it
    /// was asked, once each, wherever they close, for as long as it is a member in this process. What closes after that it does not hear: a
    /// process that comes after this one awaits the outcome by the key of the round, and a [`Consumer`](crate::Consumer) hears of every round.
    pub fn on_outcome(mut self, callback: impl FnMut(Outcome<P>) + 'static) -> Self {
        self.on_outcome = Some(Box::new(callback));
        self
    }

    /// Starts the emitter on this arbiter. It is not a member of a broker until you call
    /// [`EmitterExt::join`](crate::EmitterExt::join).
    ///
    /// # Panics
    ///
    /// Panics outside an actix system, as `Actor::start` of actix does.
    #[track_caller]
    pub fn start(self) -> Addr<Self> {
        runtime::start(|ctx| {
            self.inbox.attach(ctx.home());
            self
        })
    }

    /// Starts an emitter on another arbiter, where `make` builds it.
    ///
    /// # Errors
    ///
    /// Returns [`JoinError::EmitterGone`] if that arbiter has stopped.
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

    /// Starts an emitter and joins it to this broker. The emitter is a name, or is built with [`new`](Self::new). Once
    /// the future is done, the broker knows the emitter.
    ///
    /// # Errors
    ///
    /// Returns any [`JoinError`] except `AlreadyJoined`.
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
            weight: self.weight,
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

    /// Has the future run, and keeps in mind for which round it does.
    fn work(&mut self, round: RoundId, work: Pin<Box<dyn Future<Output = ()>>>, ctx: &mut LocalContext<Self>) {
        self.working.push(round);
        ctx.spawn(wrap_future::<_, Self>(work).map(move |(), emitter, _| {
            if let Some(place) = emitter.working.iter().position(|other| *other == round) {
                emitter.working.remove(place);
            }
        }));
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
                    let round = pledge.round();
                    if let Some(work) = self.on_summons.as_mut().and_then(|answer| answer(pledge)) {
                        self.work(round, work, ctx);
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

    /// Work that never ends would keep it alive when its guard is dropped.
    fn lives_for_its_futures(&self) -> bool {
        false
    }

    fn label(&self) -> String {
        let mut label = format!("the emitter `{}`", self.name);
        match *self.working {
            [] => {}
            [round] => label += &format!(" (`on_summons` has not ended for round {round})"),
            [first, ..] => {
                let count = self.working.len();
                label += &format!(" (`on_summons` has not ended for {count} rounds, the first of them {first})");
            }
        }
        label
    }

    /// Which may end no round, and be seen by nobody.
    #[cfg(feature = "testing")]
    fn panicked(&self, why: &str) {
        if why != CRASH {
            let of = self.id.map_or(Of::Itself, |id| Of::Emitter(id.as_uuid().as_u128()));
            note(of, Some(&self.name), "", || format!("panicked: {why}"));
        }
    }
}

impl<P: Payload> Drop for Emitter<P> {
    fn drop(&mut self) {
        // Before the summons that wait: the emitter is lost as a whole, and by this.
        if let Some(membership) = self.membership.take() {
            membership.seat().give_up(Farewell::Gone);
        }
        self.inbox.close();
    }
}

impl<P: Payload> fmt::Debug for Emitter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// A handle to an emitter that has joined a broker. You emit with it. Dropping it makes the emitter lost to its broker.
///
/// A handle is a [`Membership`] together with the address of the emitter.
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

    /// Leaves the broker in an orderly way: open rounds no longer wait for this emitter, and its earlier signals still
    /// count.
    pub fn leave(self) {
        self.membership.seat().give_up(Farewell::Left);
    }

    /// Hands the emitter over to its broker: it stays a member for as long as the broker lives. Returns the emitter's
    /// address.
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
