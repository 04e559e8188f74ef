//! The context of our actors: an actix context that the executor polls.
//!
//! `own inbox → mailbox → timers → spawned futures`, a bounded number of each in one poll; one of them under a seed
//!
//! It is what `actix::Context` is, with three differences that the rounds need: the mailbox is made when an address
//! is first asked for (a session costs none), a poll handles a bounded number of messages before it looks at the
//! timers (so a flood cannot hold a deadline), and no hook runs after a panic: what has to be cleaned up is cleaned in `Drop`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix::dev::channel::{AddressReceiver, channel};
use actix::dev::{Envelope, EnvelopeProxy, OneshotSender, ToEnvelope};
use actix::{Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, Running, SpawnHandle};
use futures_core::Stream;
use tokio::time::Instant;

use super::clock::{after as later, now};
use super::executor::{Executor, TURN, Task, TaskId, Turn};
use super::wake::Home;

/// How many messages wait in a mailbox before `send` waits and `try_send` refuses: actix's own default.
const MAILBOX: usize = 16;

/// An actor that the executor polls.
pub trait Player: Actor<Context = LocalContext<Self>> {
    /// Handles at most `budget` inputs of the actor's own inbox; says how many it handled.
    fn turn(&mut self, budget: usize, ctx: &mut LocalContext<Self>) -> usize;

    /// Whether the actor still has something to do; `connected` while an address of it exists.
    fn is_needed(&self, connected: bool) -> bool;

    /// Whether it lives on for the futures that it has spawned when it is not needed any more.
    fn lives_for_its_futures(&self) -> bool {
        true
    }

    /// What a person calls it.
    fn label(&self) -> String;

    /// The actor has panicked with this message, and is about to be dropped.
    fn panicked(&self, _why: &str) {}
}

type Spawned<A> = (SpawnHandle, Pin<Box<dyn ActorFuture<A, Output = ()>>>);

type Run<A> = Box<dyn FnOnce(&mut A, &mut <A as Actor>::Context)>;

struct Timer<A: Actor> {
    handle: SpawnHandle,
    when: Instant,
    run: Run<A>,
}

/// The context in which the actors of this crate run.
pub struct LocalContext<A: Player> {
    executor: Rc<Executor>,
    id: TaskId,
    state: ActorState,
    mailbox: RefCell<Option<AddressReceiver<A>>>,
    /// One is what a session has, and a table for it would be one allocation more for each round.
    timer: Option<Timer<A>>,
    /// What most actors have nothing of, and a session, which is made and dropped for each round, almost never.
    more: Option<Box<More<A>>>,
    last_handle: SpawnHandle,
}

/// What few actors have.
struct More<A: Player> {
    timers: Vec<Timer<A>>,
    /// Futures spawned since the last merge, beside those that [`Stage`] polls.
    spawned: Vec<Spawned<A>>,
    waits: VecDeque<Spawned<A>>,
    cancelled: Vec<SpawnHandle>,
}

impl<A: Player> Default for More<A> {
    fn default() -> Self {
        Self { timers: Vec::new(), spawned: Vec::new(), waits: VecDeque::new(), cancelled: Vec::new() }
    }
}

impl<A: Player> LocalContext<A> {
    /// Where this actor lives, for whoever wakes it from anywhere.
    pub(crate) fn home(&self) -> Home {
        self.executor.home(self.id)
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    /// Gives the actor another turn.
    pub(crate) fn wake(&self) {
        self.executor.wake(self.id);
    }

    /// Runs `run` at that time, as `run_later` does after a while.
    pub(crate) fn run_at<F>(&mut self, when: Instant, run: F) -> SpawnHandle
    where
        F: FnOnce(&mut A, &mut A::Context) + 'static,
    {
        let handle = self.next_handle();
        let timer = Timer { handle, when, run: Box::new(run) };
        match self.timer {
            None => self.timer = Some(timer),
            Some(_) => self.more().timers.push(timer),
        }
        self.executor.wake_at(when, self.id);
        handle
    }

    /// Whether an address of this actor exists.
    pub(crate) fn connected(&self) -> bool {
        self.mailbox.borrow().as_ref().is_some_and(AddressReceiver::connected)
    }

    fn take_timer(&mut self, wanted: impl Fn(&Timer<A>) -> bool) -> Option<Timer<A>> {
        if self.timer.as_ref().is_some_and(&wanted) {
            return self.timer.take();
        }
        let timers = &mut self.more.as_mut()?.timers;
        let place = timers.iter().position(wanted)?;
        Some(timers.remove(place))
    }

    fn more(&mut self) -> &mut More<A> {
        self.more.get_or_insert_default()
    }

    fn has_timers(&self) -> bool {
        self.timer.is_some() || self.more.as_ref().is_some_and(|more| !more.timers.is_empty())
    }

    fn count_timers(&self) -> usize {
        usize::from(self.timer.is_some()) + self.more.as_ref().map_or(0, |more| more.timers.len())
    }

    /// Whether it waits for a future.
    #[inline]
    fn has_waits(&self) -> bool {
        self.more.as_ref().is_some_and(|more| !more.waits.is_empty())
    }

    /// Whether futures were spawned or cancelled since the last merge.
    #[inline]
    fn has_changes(&self) -> bool {
        self.more.as_ref().is_some_and(|more| !more.spawned.is_empty() || !more.cancelled.is_empty())
    }

    fn next_handle(&mut self) -> SpawnHandle {
        self.last_handle = self.last_handle.next();
        self.last_handle
    }
}

impl<A: Player> fmt::Debug for LocalContext<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalContext").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<A: Player> ActorContext for LocalContext<A> {
    fn stop(&mut self) {
        if self.state.alive() {
            self.state = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.state = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl<A: Player> AsyncContext<A> for LocalContext<A> {
    fn address(&self) -> Addr<A> {
        let mut mailbox = self.mailbox.borrow_mut();
        if let Some(receiver) = &*mailbox {
            return Addr::new(receiver.sender());
        }
        let (sender, receiver) = channel(MAILBOX);
        *mailbox = Some(receiver);
        // The new mailbox has to be polled once, or nobody is woken by its first message.
        self.executor.wake_all_of(self.id);
        Addr::new(sender)
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let handle = self.next_handle();
        self.more().spawned.push((handle, Box::pin(future)));
        self.executor.wake_all_of(self.id);
        handle
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let handle = self.next_handle();
        // The latest first, as in actix.
        self.more().waits.push_front((handle, Box::pin(future)));
        self.executor.wake_all_of(self.id);
    }

    fn waiting(&self) -> bool {
        self.has_waits() || !self.state.alive()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        match self.take_timer(|timer| timer.handle == handle) {
            Some(_) => self.executor.forget_timers(1),
            None => self.more().cancelled.push(handle),
        }
        true
    }

    fn run_later<F>(&mut self, after: Duration, run: F) -> SpawnHandle
    where
        F: FnOnce(&mut A, &mut A::Context) + 'static,
    {
        self.run_at(later(now(), after), run)
    }
}

impl<A, M> ToEnvelope<A, M> for LocalContext<A>
where
    A: Player + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, answer: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::new(message, answer)
    }
}

/// An actor on its context: the task that the executor polls.
pub(crate) struct Stage<A: Player> {
    actor: A,
    ctx: LocalContext<A>,
    futures: Vec<Spawned<A>>,
    /// A timer became due while the actor waited for a future.
    fired: bool,
}

impl<A: Player> Stage<A> {
    pub(crate) fn new(executor: Rc<Executor>, id: TaskId, make: impl FnOnce(&mut LocalContext<A>) -> A) -> Self {
        let mut ctx = LocalContext {
            executor,
            id,
            state: ActorState::Started,
            mailbox: RefCell::new(None),
            timer: None,
            more: None,
            last_handle: SpawnHandle::default(),
        };
        let actor = make(&mut ctx);
        Self { actor, ctx, futures: Vec::new(), fired: false }
    }

    /// One input of the kind that the seed chooses; says whether there was one.
    fn play_one(&mut self, turn: &Turn<'_>) -> bool {
        if self.poll_waits(turn) {
            return false;
        }
        let first = self.ctx.executor.choose(4);
        let played = (0..4).any(|step| match (first + step) % 4 {
            0 => self.actor.turn(1, &mut self.ctx) > 0,
            1 => self.poll_mailbox(turn, 1) > 0,
            2 => self.run_timers(1) > 0,
            _ => {
                self.poll_futures(turn);
                false
            }
        });
        if played {
            turn.executor.wake_all_of(turn.id);
        }
        played
    }

    /// As much as one poll may; says whether something is left.
    fn play(&mut self, turn: &Turn<'_>) -> bool {
        self.fired |= turn.fired;
        if self.poll_waits(turn) {
            return false;
        }
        let mut left = self.actor.turn(TURN, &mut self.ctx) == TURN;
        if left {
            turn.executor.wake(turn.id);
        }
        if turn.woken && self.poll_mailbox(turn, TURN) == TURN {
            left = true;
            turn.executor.wake_all_of(turn.id);
        }
        if std::mem::take(&mut self.fired) {
            self.run_timers(usize::MAX);
        }
        if turn.woken || self.ctx.has_changes() {
            self.poll_futures(turn);
        }
        left
    }

    #[inline]
    fn poll_waits(&mut self, turn: &Turn<'_>) -> bool {
        self.ctx.has_waits() && self.poll_each_wait(turn)
    }

    fn poll_each_wait(&mut self, turn: &Turn<'_>) -> bool {
        while self.ctx.state.alive()
            && let Some((handle, mut future)) = self.ctx.more.as_mut().and_then(|more| more.waits.pop_front())
        {
            let waker = turn.waker();
            if future.as_mut().poll(&mut self.actor, &mut self.ctx, &mut Context::from_waker(&waker)).is_pending() {
                self.ctx.more().waits.push_front((handle, future));
                return true;
            }
        }
        false
    }

    fn poll_mailbox(&mut self, turn: &Turn<'_>, budget: usize) -> usize {
        if self.ctx.mailbox.get_mut().is_none() {
            return 0;
        }
        let waker = turn.waker();
        let mut cx = Context::from_waker(&waker);
        for handled in 0..budget {
            if self.ctx.waiting() {
                return handled;
            }
            let next = match self.ctx.mailbox.get_mut() {
                Some(receiver) => Pin::new(receiver).poll_next(&mut cx),
                None => return handled,
            };
            let Poll::Ready(Some(mut envelope)) = next else { return handled };
            envelope.handle(&mut self.actor, &mut self.ctx);
        }
        budget
    }

    fn run_timers(&mut self, budget: usize) -> usize {
        if !self.ctx.has_timers() {
            return 0;
        }
        let now = now();
        let mut run = 0;
        while run < budget
            && self.ctx.state.alive()
            && let Some(timer) = self.ctx.take_timer(|timer| timer.when <= now)
        {
            (timer.run)(&mut self.actor, &mut self.ctx);
            run += 1;
        }
        run
    }

    fn poll_futures(&mut self, turn: &Turn<'_>) {
        loop {
            if let Some(more) = &mut self.ctx.more {
                self.futures.append(&mut more.spawned);
                for handle in std::mem::take(&mut more.cancelled) {
                    self.futures.retain(|(other, _)| *other != handle);
                }
            }
            if self.futures.is_empty() {
                return;
            }
            let waker = turn.waker();
            let mut cx = Context::from_waker(&waker);
            let mut next = 0;
            while next < self.futures.len() && self.ctx.state.alive() {
                let (_, future) = &mut self.futures[next];
                if future.as_mut().poll(&mut self.actor, &mut self.ctx, &mut cx).is_ready() {
                    drop(self.futures.remove(next));
                } else {
                    next += 1;
                }
            }
            if !self.ctx.has_changes() || !self.ctx.state.alive() {
                return;
            }
        }
    }
}

impl<A: Player> Task for Stage<A> {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()> {
        if self.ctx.state == ActorState::Started {
            self.ctx.state = ActorState::Running;
            self.actor.started(&mut self.ctx);
        }
        let left = if turn.executor.is_seeded() { self.play_one(turn) } else { self.play(turn) };
        if self.ctx.state == ActorState::Running && !left {
            let connected = self.ctx.connected();
            let idle = self.futures.is_empty() && !self.ctx.has_changes() && !self.ctx.has_waits();
            if !self.actor.is_needed(connected) && (idle || !self.actor.lives_for_its_futures()) {
                self.ctx.state = ActorState::Stopping;
            }
        }
        if self.ctx.state == ActorState::Stopping {
            if self.actor.stopping(&mut self.ctx) == Running::Stop {
                self.ctx.state = ActorState::Stopped;
            } else {
                self.ctx.state = ActorState::Running;
                turn.executor.wake_all_of(turn.id);
            }
        }
        if self.ctx.state == ActorState::Stopped {
            self.actor.stopped(&mut self.ctx);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn label(&self) -> String {
        self.actor.label()
    }

    fn panicked(&self, why: &str) {
        self.actor.panicked(why);
    }
}

impl<A: Player> Drop for Stage<A> {
    fn drop(&mut self) {
        self.ctx.executor.forget_timers(self.ctx.count_timers());
    }
}
