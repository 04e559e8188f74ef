//! The ready-made emitter: an actor that joins one broker at a time and owes its rounds a signal.
//!
//! `Emitter::join → broker.rs; emit → Membership → broker.rs; session.rs → Summons → Emitter → Pledge`

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, Addr, ArbiterHandle, Handler, Message, ResponseActFuture};
use tokio::sync::oneshot;

use crate::Payload;
use crate::broker::Broker;
use crate::error::{EmitError, JoinError};
use crate::id::{EmitterId, RoundId, RoundKey};
use crate::membership::{Membership, Reply, Seat};
use crate::outcome::{EmitterRef, Outcome};
use crate::pledge::Pledge;
use crate::requests::{Enlist, Keep};
use crate::roster::{Ask, Wants};
use crate::runtime::{self, Inbox, LocalContext, Player};

/// How many summons and notices may wait for one emitter: one of each for every round that may be open, and more
/// than the default of those.
const WAITING: usize = 1 << 20;

/// What reaches an emitter from the sessions.
pub(crate) enum ToEmitter<P: 'static> {
    Summons(Pledge<P>),
    Kept { round: RoundId, key: Option<RoundKey>, at: Duration },
    Outcome(Outcome<P>),
}

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

/// The ready-made emitter. An actor: it joins one broker at a time, and owes each of its rounds a signal.
///
/// With [`on_summons`](Self::on_summons) it is asked when somebody else opens a round; without, it emits by itself.
///
/// ```
/// use convoke_actors::prelude::*;
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
    on_summons: Option<Box<dyn FnMut(Pledge<P>)>>,
    on_kept: Option<Box<dyn FnMut(Kept)>>,
    on_outcome: Option<Box<dyn FnMut(Outcome<P>)>>,
    inbox: Arc<Inbox<ToEmitter<P>>>,
    batch: VecDeque<ToEmitter<P>>,
    membership: Option<Membership<P>>,
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
            batch: VecDeque::new(),
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
    /// the timeout of the round alone.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Answers when a session asks for the signal: keep the pledge, veto it, move it elsewhere to keep it later, or
    /// drop it, which loses the round its signal at once.
    pub fn on_summons(mut self, answer: impl FnMut(Pledge<P>) + 'static) -> Self {
        self.on_summons = Some(Box::new(answer));
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

    /// Starts the emitter on this arbiter, a member of no broker yet; [`EmitterExt::join`] makes it one.
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
    pub async fn join(broker: &Addr<Broker<P>>, emitter: impl Into<Self>) -> Result<EmitterHandle<P>, JoinError> {
        if !runtime::is_arbiter() {
            return Err(JoinError::NoArbiter);
        }
        let address = emitter.into().start();
        let seat = address.send(Settle { broker: broker.clone() }).await.map_err(|_| JoinError::EmitterGone)??;
        Ok(EmitterHandle { membership: Membership::new(seat), address, broker: broker.clone() })
    }

    fn settle(&mut self, broker: Addr<Broker<P>>) -> ResponseActFuture<Self, Result<Arc<Seat<P>>, JoinError>> {
        if let Some(membership) = self.membership.as_ref().filter(|membership| !membership.seat().is_given_up()) {
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
        Box::pin(wrap_future::<_, Self>(answer).map(|seat, emitter, _| {
            emitter.joining = false;
            let seat = seat?;
            emitter.id = Some(seat.who.id);
            emitter.membership = Some(Membership::new(seat.clone()));
            Ok(seat)
        }))
    }

    fn seat(&self) -> Option<Arc<Seat<P>>> {
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
    fn turn(&mut self, budget: usize, _: &mut LocalContext<Self>) -> usize {
        if self.batch.is_empty() {
            self.inbox.take(&mut self.batch);
        }
        for handled in 0..budget {
            match self.batch.pop_front() {
                Some(ToEmitter::Summons(pledge)) => {
                    if let Some(answer) = &mut self.on_summons {
                        answer(pledge);
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
#[must_use = "dropping it ends the membership: hold it, or hand it to the broker with `.forever()`"]
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
        broker.do_send(Keep::Emitter { slot, generation, emitter: address.clone() });
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

/// Tells an emitter to join a broker; the answer is who it is there.
#[derive(Debug)]
pub struct Join<P: Payload> {
    /// The broker to join.
    pub broker: Addr<Broker<P>>,
}

impl<P: Payload> Message for Join<P> {
    type Result = Result<EmitterRef, JoinError>;
}

impl<P: Payload> Handler<Join<P>> for Emitter<P> {
    type Result = ResponseActFuture<Self, Result<EmitterRef, JoinError>>;

    fn handle(&mut self, join: Join<P>, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.settle(join.broker).map(|seat, _, _| seat.map(|seat| seat.who.clone())))
    }
}

/// Tells an emitter to emit; the answer is the outcome of the round, once it has closed.
#[derive(Clone, Debug)]
pub struct Emit<P> {
    /// What the round is about; `None` for the round without a key.
    pub key: Option<RoundKey>,
    /// What is emitted.
    pub payload: P,
}

impl<P: Payload> Message for Emit<P> {
    type Result = Result<Outcome<P>, EmitError>;
}

/// Tells an emitter to refuse an open round; the answer is the outcome of the round, which is cancelled.
#[derive(Clone, Debug)]
pub struct Veto<P> {
    key: Option<RoundKey>,
    reason: Arc<str>,
    payload: std::marker::PhantomData<fn() -> P>,
}

impl<P> Veto<P> {
    /// Refuses the round without a key.
    pub fn new(reason: impl Into<Arc<str>>) -> Self {
        Self { key: None, reason: reason.into(), payload: std::marker::PhantomData }
    }

    /// Refuses the round of this key.
    pub fn of(key: impl Into<RoundKey>, reason: impl Into<Arc<str>>) -> Self {
        Self { key: Some(key.into()), ..Self::new(reason) }
    }
}

impl<P: Payload> Message for Veto<P> {
    type Result = Result<Outcome<P>, EmitError>;
}

/// Tells an emitter to leave its broker in order.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Leave;

/// A message whose answer the broker gives: it takes over the sender's place to answer to.
#[doc(hidden)]
pub struct Forwarded<P>(Option<Arc<Seat<P>>>, Forward<P>);

enum Forward<P> {
    Emit(Option<RoundKey>, P),
    Veto(Option<RoundKey>, Arc<str>),
}

impl<P: Payload, M> MessageResponse<Emitter<P>, M> for Forwarded<P>
where
    M: Message<Result = Result<Outcome<P>, EmitError>>,
{
    fn handle(self, _: &mut LocalContext<Emitter<P>>, reply: Option<OneshotSender<M::Result>>) {
        let reply: Option<Reply<P>> = reply;
        // A refusal reaches the reply as well, and without one nobody waits for it.
        let _ = match self {
            Self(Some(seat), Forward::Emit(key, payload)) => seat.emit(key, payload, reply),
            Self(Some(seat), Forward::Veto(key, reason)) => seat.veto(key, reason, reply),
            Self(None, _) => {
                crate::session::answer(reply, Err(EmitError::NotJoined));
                Ok(())
            }
        };
    }
}

impl<P> fmt::Debug for Forwarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forwarded")
    }
}

impl<P: Payload> Handler<Emit<P>> for Emitter<P> {
    type Result = Forwarded<P>;

    fn handle(&mut self, emit: Emit<P>, _: &mut Self::Context) -> Forwarded<P> {
        Forwarded(self.seat(), Forward::Emit(emit.key, emit.payload))
    }
}

impl<P: Payload> Handler<Veto<P>> for Emitter<P> {
    type Result = Forwarded<P>;

    fn handle(&mut self, veto: Veto<P>, _: &mut Self::Context) -> Forwarded<P> {
        Forwarded(self.seat(), Forward::Veto(veto.key, veto.reason))
    }
}

impl<P: Payload> Handler<Leave> for Emitter<P> {
    type Result = ();

    fn handle(&mut self, _: Leave, _: &mut Self::Context) {
        if let Some(membership) = self.membership.take() {
            membership.leave();
        }
    }
}

/// The messages of an emitter as methods of its address.
pub trait EmitterExt<P: Payload> {
    /// Joins a broker. See [`Join`].
    ///
    /// # Errors
    ///
    /// Every variant of [`JoinError`] but `NoArbiter`.
    fn join(&self, broker: &Addr<Broker<P>>) -> impl Future<Output = Result<EmitterRef, JoinError>>;

    /// Emits. See [`Membership::emit`].
    ///
    /// # Errors
    ///
    /// Every variant of [`EmitError`] but `NoRound`.
    fn emit(&self, payload: P) -> impl Future<Output = Result<Outcome<P>, EmitError>>;

    /// Emits into the round of a key. See [`Membership::emit_for`].
    ///
    /// # Errors
    ///
    /// As [`emit`](Self::emit).
    fn emit_for(&self, key: impl Into<RoundKey>, payload: P) -> impl Future<Output = Result<Outcome<P>, EmitError>>;

    /// Emits and does not wait for the outcome, nor hear of an error.
    fn do_emit(&self, payload: P);

    /// Emits into the round of a key and does not wait for the outcome, nor hear of an error.
    fn do_emit_for(&self, key: impl Into<RoundKey>, payload: P);

    /// Refuses the open round without a key. See [`Membership::veto`].
    ///
    /// # Errors
    ///
    /// `NoRound`, `NotJoined`, `BrokerGone`, `EmitterGone`, `Busy`.
    fn veto(&self, reason: impl Into<Arc<str>>) -> impl Future<Output = Result<Outcome<P>, EmitError>>;

    /// Leaves the broker in order. See [`Membership::leave`].
    ///
    /// # Errors
    ///
    /// `EmitterGone`.
    fn leave(&self) -> impl Future<Output = Result<(), EmitError>>;
}

impl<P: Payload> EmitterExt<P> for Addr<Emitter<P>> {
    async fn join(&self, broker: &Addr<Broker<P>>) -> Result<EmitterRef, JoinError> {
        self.send(Join { broker: broker.clone() }).await.unwrap_or(Err(JoinError::EmitterGone))
    }

    fn emit(&self, payload: P) -> impl Future<Output = Result<Outcome<P>, EmitError>> {
        let request = self.send(Emit { key: None, payload });
        async move { request.await.unwrap_or(Err(EmitError::EmitterGone)) }
    }

    fn emit_for(&self, key: impl Into<RoundKey>, payload: P) -> impl Future<Output = Result<Outcome<P>, EmitError>> {
        let request = self.send(Emit { key: Some(key.into()), payload });
        async move { request.await.unwrap_or(Err(EmitError::EmitterGone)) }
    }

    fn do_emit(&self, payload: P) {
        self.do_send(Emit { key: None, payload });
    }

    fn do_emit_for(&self, key: impl Into<RoundKey>, payload: P) {
        self.do_send(Emit { key: Some(key.into()), payload });
    }

    fn veto(&self, reason: impl Into<Arc<str>>) -> impl Future<Output = Result<Outcome<P>, EmitError>> {
        let request = self.send(Veto::new(reason));
        async move { request.await.unwrap_or(Err(EmitError::EmitterGone)) }
    }

    async fn leave(&self) -> Result<(), EmitError> {
        self.send(Leave).await.map_err(|_| EmitError::EmitterGone)
    }
}
