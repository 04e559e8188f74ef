//! Coordinates rounds: knows who is registered, which rounds are open, and which session an input belongs to.
//!
//! `Membership, Pledge → inbox → Broker → Link → session.rs → back queue → Broker`

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle};
use tokio::sync::oneshot;

use super::debts::Debts;
use super::open_rounds::OpenRounds;
use crate::base::Payload;
use crate::rounds::durable::Desk;
use crate::rounds::messages::{Keeper, ToBroker};
use crate::rounds::room::{FromSession, Meter, Room, Roster, Spare, ToSession};
use crate::rounds::round::{Abort, Close, LateJoin, OnLost, OnTimeout, Release, RepeatEmit, Rules};
use crate::rounds::{BrokerError, BrokerId, ConfigError, Past};
use crate::runtime::{self, Inbox, Intake, LocalContext, Player};

/// The actor that coordinates rounds. You set its rules, start it, and let emitters and consumers join its address.
///
/// A broker lives as long as an address of it exists. An [`EmitterHandle`](crate::EmitterHandle) and a
/// [`ConsumerHandle`](crate::ConsumerHandle) hold an address; a [`Membership`](crate::Membership) does not. When the
/// broker stops, its open rounds are cancelled with [`Cause::BrokerStopped`](crate::Cause::BrokerStopped).
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use std::time::Duration;
///
/// # actix::System::new().block_on(async {
/// let broker = Broker::new(Duration::from_secs(1))
///     .named("orders")
///     .release(Release::at_least(2))
///     .on_timeout(OnTimeout::DeliverPartial)
///     .start();
/// # let _: actix::Addr<Broker<u32>> = broker;
/// # });
/// ```
pub struct Broker<P: Payload> {
    pub(crate) id: BrokerId,
    pub(crate) rules: Rc<Rules<P>>,
    pub(crate) limits: Limits,
    pub(crate) misconfigured: Option<ConfigError>,
    /// Whoever writes down what the members say, if the broker is a durable one: it decides nothing then.
    pub(crate) desk: Option<Box<dyn Desk<P>>>,
    pub(crate) unique_names: bool,
    /// `expects` was called.
    names_expected: bool,
    /// `on_lost` was called: for a durable broker the default is another one.
    pub(super) lost_said: bool,
    pub(crate) door: Arc<Inbox<ToBroker<P>>>,
    /// Taken from the inbox and not handled yet.
    pub(crate) batch: Intake<ToBroker<P>>,
    /// Given back by a round that closed, before everything that came later.
    pub(crate) returned: VecDeque<ToBroker<P>>,
    pub(crate) room: Option<Rc<Room<P>>>,
    pub(crate) open: OpenRounds<P>,
    pub(crate) debts: Debts,
    pub(crate) next_round: u64,
    pub(crate) next_ticket: u64,
    pub(crate) resolved: u64,
    pub(crate) cancelled: u64,
    pub(crate) history: VecDeque<Past>,
    pub(crate) warm: bool,
    pub(crate) opened_since: bool,
    /// Consumers that were handed over for ever.
    pub(crate) kept_consumers: Vec<Keeper>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) open: usize,
    pub(crate) waiting: usize,
    pub(crate) members: usize,
    pub(crate) history: usize,
    pub(crate) consumer_timeout: Duration,
    pub(crate) late_window: Option<Duration>,
    pub(crate) late: Option<usize>,
}

/// How many closed rounds a broker remembers at least that went without a signal, unless it is told otherwise.
const LATE: usize = 16_384;

/// For how many timeouts at most, however long the late window is.
const LATE_TIMEOUTS: u128 = 10;

impl Limits {
    /// How many closed rounds are remembered: as many as can run out of time within the window.
    fn late(&self, timeout: Duration) -> usize {
        let window = self.late_window.unwrap_or(timeout);
        let timeouts = window.as_nanos().div_ceil(timeout.as_nanos().max(1)).clamp(1, LATE_TIMEOUTS);
        self.late.unwrap_or_else(|| self.open.saturating_mul(timeouts as usize).max(LATE))
    }
}

/// # Rules, which you set before the broker starts
impl<P: Payload> Broker<P> {
    /// Creates a broker whose rounds are open for at most this time.
    ///
    /// A timeout of zero is an error. Every attempt to join the broker fails with [`ConfigError::ZeroTimeout`], and so
    /// does [`try_start`](Self::try_start).
    pub fn new(timeout: Duration) -> Self {
        let limits = Limits {
            open: 100_000,
            waiting: 1 << 20,
            members: 10_000,
            history: 32,
            consumer_timeout: Duration::from_secs(30),
            late_window: None,
            late: None,
        };
        Self {
            id: BrokerId::new(),
            rules: Rc::new(Rules::new(timeout)),
            limits,
            misconfigured: None,
            desk: None,
            unique_names: false,
            names_expected: false,
            lost_said: false,
            door: Arc::new(Inbox::new(limits.waiting)),
            batch: Intake::new(),
            returned: VecDeque::new(),
            room: None,
            open: OpenRounds::new(),
            debts: Debts::new(LATE),
            next_round: 1,
            next_ticket: 0,
            resolved: 0,
            cancelled: 0,
            history: VecDeque::new(),
            warm: false,
            opened_since: false,
            kept_consumers: Vec::new(),
        }
    }

    pub(super) fn rule(mut self, set: impl FnOnce(&mut Rules<P>)) -> Self {
        set(Rc::make_mut(&mut self.rules));
        self
    }

    /// Sets the id or name of the broker, which the log, the outcomes and [`Brokers`](crate::Brokers) show. The default
    /// is a new UUID v7.
    pub fn named(mut self, id: impl Into<BrokerId>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets when a round has the signals that it needs. The default is [`Release::all`].
    pub fn release(self, release: Release<P>) -> Self {
        self.rule(|rules| rules.release = release.0)
    }

    /// Sets the names that have to be present in every round, whatever its key. Without this, a round waits for all
    /// emitters that have joined, and for nobody else.
    ///
    /// An expected name that no member has owes a signal, as a member does. If the name still has no member at the
    /// deadline, a round that needs everyone ([`Release::all`]) is cancelled with
    /// [`Cause::NoMember`](crate::Cause::NoMember). Under [`LateJoin::NextRound`] and [`LateJoin::Rejected`] such a
    /// round is cancelled at once, since nobody can join it any more. If the member with an expected name is lost,
    /// [`on_lost`](Self::on_lost) applies. If that member leaves, the name has no member. Emitters with other names
    /// take part as well.
    ///
    /// Several members may have the same expected name, as the members of a pool do. Each of them is asked. The first
    /// signal counts for all of them; the signals of the others are repeats, to which
    /// [`repeat_emit`](Self::repeat_emit) applies. The name is lost when its last member is lost. See
    /// [`unique_names`](Self::unique_names).
    ///
    /// `expects` sets who takes part; [`Release::required`] sets whose signals suffice. With a release other than
    /// `all`, an expected name without a member keeps no round open. It is listed in
    /// [`Outcome::unfilled`](crate::Outcome::unfilled) and counts in [`Gathered::owing`](crate::Gathered::owing). An
    /// empty list, an empty name, and the same name twice are a [`ConfigError`].
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use std::time::Duration;
    ///
    /// # actix::System::new().block_on(async {
    /// let broker = Broker::new(Duration::from_millis(50)).expects(["stock", "payment"]).start();
    /// let stock = Emitter::join(&broker, "stock").await?;
    ///
    /// let outcome = stock.emit("3 left").await?;   // nobody has joined as `payment`
    /// assert_eq!(outcome.cause().unwrap().to_string(), "no member named payment");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn expects<S: Into<Arc<str>>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names_expected = true;
        self.rule(|rules| rules.expected = names.into_iter().map(Into::into).collect())
    }

    /// Requires that no two members have the same name at the same time. The second member cannot join: it gets
    /// [`JoinError::DuplicateName`](crate::JoinError::DuplicateName). By default several members may have the same
    /// name.
    pub fn unique_names(mut self) -> Self {
        self.unique_names = true;
        self
    }

    /// Sets when a released round closes. The default is [`Close::Released`].
    pub fn close(self, close: Close) -> Self {
        self.rule(|rules| rules.close = close)
    }

    /// Sets in which round an emitter takes part that joins while rounds are open. The default is
    /// [`LateJoin::ThisRound`].
    pub fn late_join(self, late_join: LateJoin) -> Self {
        self.rule(|rules| rules.late_join = late_join)
    }

    /// Sets what happens to a second signal of an emitter in one round. The default is [`RepeatEmit::Rejected`].
    pub fn repeat_emit(self, repeat: RepeatEmit) -> Self {
        self.rule(|rules| rules.repeat = repeat)
    }

    /// Sets what happens to a round that is not released in time. The default is [`OnTimeout::Cancel`].
    pub fn on_timeout(self, on_timeout: OnTimeout) -> Self {
        self.rule(|rules| rules.on_timeout = on_timeout)
    }

    /// Sets what happens to a round when an emitter that owes it a signal is lost. The default is [`OnLost::Cancel`]; of a durable
    /// broker it is [`OnLost::Wait`].
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.lost_said = true;
        self.rule(|rules| rules.on_lost = on_lost)
    }

    /// Ends a round also when no signal has come for this time. By default there is no idle timeout. Zero is
    /// [`ConfigError::ZeroTimeout`].
    pub fn idle_timeout(self, idle: Duration) -> Self {
        self.rule(|rules| rules.idle = Some(idle))
    }

    /// Sets how many rounds may exist at once: open ones, and closed ones whose consumers are still at work. A signal
    /// that would open one more is refused with [`EmitError::TooManyRounds`](crate::EmitError::TooManyRounds). The
    /// default is 100,000; zero is [`ConfigError::ZeroLimit`].
    pub fn max_open(mut self, rounds: usize) -> Self {
        self.limits.open = rounds;
        self
    }

    /// Sets how many signals may wait for this broker. One more is refused with
    /// [`EmitError::Busy`](crate::EmitError::Busy). The default is 1,048,576; zero is [`ConfigError::ZeroLimit`].
    pub fn max_waiting(mut self, signals: usize) -> Self {
        self.limits.waiting = signals;
        self.door = Arc::new(Inbox::new(signals));
        self
    }

    /// Sets how many emitters, and how many consumers, may be members. One more is refused with
    /// [`JoinError::Full`](crate::JoinError::Full). The default is 10,000 of each; zero is [`ConfigError::ZeroLimit`].
    pub fn max_members(mut self, members: usize) -> Self {
        self.limits.members = members;
        self
    }

    /// Sets how many outcomes a snapshot contains. The default is 32.
    pub fn history(mut self, outcomes: usize) -> Self {
        self.limits.history = outcomes;
        self
    }

    /// Sets how long a consumer may work on a round before it is reported as timed out. The default is 30 s; zero is
    /// [`ConfigError::ZeroTimeout`].
    pub fn consumer_timeout(mut self, limit: Duration) -> Self {
        self.limits.consumer_timeout = limit;
        self
    }

    /// Sets how long after the end of a round a signal that the round did not get counts as late. A signal that comes
    /// after this time opens a new round. The default is the timeout of the rounds. With zero, no signal is late once
    /// the round is over.
    pub fn late_window(mut self, window: Duration) -> Self {
        self.limits.late_window = Some(window);
        self
    }

    /// Sets how many closed rounds the broker remembers, within the [late window](Self::late_window), because they went
    /// without a signal. A round of more than 64 emitters counts as one for every 64 of them. Zero is
    /// [`ConfigError::ZeroLimit`].
    ///
    /// Beyond this limit the broker forgets the oldest of these rounds. An emitter that owed a signal to a forgotten
    /// round opens no round for the rest of the window: its signals are refused with
    /// [`EmitError::Late`](crate::EmitError::Late), unless the last round of their key is remembered or another emitter
    /// has opened one.
    ///
    /// The default is the number of rounds that can time out within the window: [`max_open`](Self::max_open) for each
    /// timeout that fits into the window, for at most ten timeouts, and no less than 16,384.
    pub fn max_late(mut self, rounds: usize) -> Self {
        self.limits.late = Some(rounds);
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Limits { open, waiting, members, consumer_timeout, late, .. } = self.limits;
        if consumer_timeout.is_zero() {
            return Err(ConfigError::ZeroTimeout);
        }
        if open == 0 || waiting == 0 || members == 0 || late == Some(0) {
            return Err(ConfigError::ZeroLimit);
        }
        if self.names_expected && self.rules.expected.is_empty() {
            return Err(ConfigError::NothingExpected);
        }
        self.rules.check()
    }

    /// Starts the broker on this arbiter.
    ///
    /// An error in the rules is reported to everybody who joins; [`try_start`](Self::try_start) returns it instead.
    ///
    /// # Panics
    ///
    /// Panics outside an actix system, as `Actor::start` of actix does.
    #[track_caller]
    pub fn start(self) -> Addr<Self> {
        runtime::start(|ctx| self.settle_in(ctx))
    }

    /// Starts the broker on this arbiter, if its rules contain no error.
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Config`] with the error in the rules, and [`BrokerError::NoArbiter`] outside an actix
    /// system.
    pub fn try_start(self) -> Result<Addr<Self>, BrokerError> {
        self.check()?;
        if !runtime::is_arbiter() {
            return Err(BrokerError::NoArbiter);
        }
        Ok(self.start())
    }

    /// Starts a broker on another arbiter, where `make` builds it.
    ///
    /// # Errors
    ///
    /// Returns [`BrokerError::Gone`] if that arbiter has stopped.
    pub async fn start_in_arbiter<F>(arbiter: &ArbiterHandle, make: F) -> Result<Addr<Self>, BrokerError>
    where
        F: FnOnce() -> Self + Send + 'static,
    {
        let (started, address) = oneshot::channel();
        arbiter.spawn_fn(move || {
            let _ = started.send(make().start());
        });
        address.await.map_err(|_| BrokerError::Gone)
    }

    /// Has this desk take what the members say.
    pub(crate) fn at_desk(mut self, desk: Box<dyn Desk<P>>) -> Self {
        self.desk = Some(desk);
        self
    }

    pub(crate) fn room(&self) -> &Rc<Room<P>> {
        match &self.room {
            Some(room) => room,
            None => unreachable!("a broker handles inputs only after settle_in has made its room"),
        }
    }

    /// Hears all that sessions have to say, before a message is handled that looks at the open rounds.
    pub(crate) fn hear_sessions(&mut self) {
        while let Some(message) = self.next_from_session() {
            self.take_from_session(message);
        }
    }

    fn next_from_session(&self) -> Option<FromSession<P>> {
        self.room().back.borrow_mut().pop_front()
    }

    fn settle_in(mut self, ctx: &LocalContext<Self>) -> Self {
        self.misconfigured = self.check().err();
        self.debts = Debts::new(self.limits.late(self.rules.timeout));
        self.door.attach(ctx.home());
        self.room = Some(Rc::new(Room {
            id: self.id.clone(),
            executor: runtime::executor_here(),
            broker: ctx.id(),
            roster: Roster::new(self.id.clone()).into(),
            consumers: Vec::new().into(),
            door: self.door.clone(),
            back: VecDeque::new().into(),
            spare: Spare::new().into(),
            // One with a desk opens none itself.
            meter: if self.desk.is_none() { Meter::new(&self.id) } else { Meter::default() },
            consumer_timeout: self.limits.consumer_timeout,
            max_deferred: self.limits.waiting,
            sessions: 0.into(),
            deserted: false.into(),
        }));
        self
    }
}

impl<P: Payload> Actor for Broker<P> {
    type Context = LocalContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        log::debug!(target: "convoke::broker", "broker {} started", self.id);
    }
}

impl<P: Payload> Player for Broker<P> {
    fn turn(&mut self, budget: usize, ctx: &mut LocalContext<Self>) -> usize {
        let mut handled = 0;
        // What the sessions say comes first, and then what their rounds gave back, so that the table of open rounds is
        // true for all that follows. Sessions do not run during this turn, so nothing is added to either meanwhile.
        while handled < budget
            && let Some(message) = self.next_from_session()
        {
            self.take_from_session(message);
            handled += 1;
        }
        while handled < budget
            && let Some(input) = self.returned.pop_front()
        {
            self.input(input, ctx);
            handled += 1;
        }
        if handled < budget {
            self.batch.refill(&self.door);
        }
        while handled < budget
            && let Some(input) = self.batch.next(&self.door)
        {
            match input {
                ToBroker::Emit { slot, generation, key, payload, reply } => {
                    self.emit(slot, generation, key, payload, reply, ctx);
                }
                input => self.input(input, ctx),
            }
            handled += 1;
        }
        handled
    }

    fn is_needed(&self, connected: bool) -> bool {
        connected
    }

    fn label(&self) -> String {
        format!("the broker `{}`", self.id)
    }
}

impl<P: Payload> Drop for Broker<P> {
    fn drop(&mut self) {
        let Some(room) = &self.room else { return };
        // The rounds first: what is dropped after that may be payloads, whose `Drop` is the user's.
        room.deserted.set(true);
        for link in self.open.all() {
            link.push(&room.executor, ToSession::Abort(Abort::BrokerStopped));
        }
        let back = room.back.take();
        let over = back.iter().filter(|message| !matches!(message, FromSession::ConsumersFailed { .. })).count();
        let open = self.open.len().saturating_sub(over);
        log::debug!(target: "convoke::broker", "broker {} is gone, {open} rounds were open", self.id);
        self.door.close();
        drop(back);
    }
}

impl<P: Payload> fmt::Debug for Broker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("id", &self.id).field("timeout", &self.rules.timeout).finish_non_exhaustive()
    }
}
