//! The life of one service: built, prepared, subscribed, run; paused or stopped; and all of it again.
//!
//! `factory → start (before it is an actor) → Subscriptions → Instance → … → drained → stop → gone`

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, AsyncContext, Context};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::child::{Child, LocalFuture, ToKeeper};
use super::instance::{End, Instance, Reins};
use super::living::{Living, ServiceSeat, Terms};
use super::oversight::{OnError, Oversight};
use super::presence::Shared;
use super::refusals::Refusals;
use super::restart::{Backoff, Budget, Restart};
use crate::base::Failure;
use crate::events::bus::EventBus;
use crate::events::event::Name;
use crate::events::hub::ToStation;
use crate::events::seats::settle;
use crate::runtime::{self, Either, Guarded, catch, drop_quietly, either};
use crate::services::standing::{Fall, Record, ServiceState, Standing, StartError};

/// What is said about a service before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) name: Name,
    pub(crate) restart: Restart,
    pub(crate) backoff: Backoff,
    pub(crate) budget: Budget,
    pub(crate) on_error: OnError,
    pub(crate) start_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) terms: Terms,
    pub(crate) capacity: usize,
    pub(crate) patience: Duration,
    /// Whether it brings in work for the others.
    pub(crate) is_source: bool,
}

pub(crate) type Factory<A> = Box<dyn FnMut(EventBus) -> Result<A, Failure>>;

/// The life of one service.
pub(crate) struct Life<A: Living> {
    pub(crate) shared: Arc<Shared<A>>,
    options: Options,
    oversight: Rc<Oversight>,
    factory: RefCell<Option<Factory<A>>>,
    seats: RefCell<Vec<Box<dyn ServiceSeat<A>>>>,
    refusals: Refusals,
    /// Why it has ended by itself, while it is away for that.
    fell: RefCell<Option<String>>,
    reins: RefCell<Option<Rc<Reins>>>,
    /// Keeps the actor alive until its `stop` is done: actix ends one that has neither an address nor a future.
    addr: RefCell<Option<Addr<A>>>,
    keeper: RefCell<Option<ToKeeper>>,
    /// How often an actor of it was started: tells news of one from news of an earlier.
    run: Cell<u64>,
    /// It was running once. A first start that fails is told to whoever awaits it.
    has_run: Cell<bool>,
    ran: Cell<Duration>,
    running_since: Cell<Option<Instant>>,
    is_interrupted: Cell<bool>,
    interrupted: Notify,
    hurried: Cell<bool>,
    hurry: Notify,
}

/// A service that is not an actor yet, or never becomes one: its `Drop` must not harm who prepares it.
struct Prepared<A>(Option<A>);

impl<A> Drop for Prepared<A> {
    fn drop(&mut self) {
        drop_quietly(self.0.take());
    }
}

impl<A: Living> Life<A> {
    pub(crate) fn new(bus: &EventBus, shared: Arc<Shared<A>>, options: Options, factory: Factory<A>) -> Rc<Self> {
        let standing = Standing::new(shared.record.clone(), bus.clone());
        let oversight = Oversight::new(standing, options.on_error, shared.rest.clone());
        Rc::new(Self {
            shared,
            options,
            oversight: Rc::new(oversight),
            factory: RefCell::new(Some(factory)),
            seats: RefCell::default(),
            refusals: Refusals::default(),
            fell: RefCell::default(),
            reins: RefCell::default(),
            addr: RefCell::default(),
            keeper: RefCell::default(),
            run: Cell::new(0),
            has_run: Cell::new(false),
            ran: Cell::new(Duration::ZERO),
            running_since: Cell::new(None),
            is_interrupted: Cell::new(false),
            interrupted: Notify::new(),
            hurried: Cell::new(false),
            hurry: Notify::new(),
        })
    }

    fn standing(&self) -> &Standing {
        &self.oversight.standing
    }

    fn enter(&self, state: ServiceState, error: Option<String>) {
        self.standing().enter(state, error);
        let up = self.standing().state().is_up();
        match self.running_since.get() {
            None if up => self.running_since.set(Some(runtime::now())),
            Some(since) if !up => {
                self.ran.set(self.ran.get() + (runtime::now() - since));
                self.running_since.set(None);
            }
            _ => {}
        }
    }

    /// Builds it and awaits its `start`.
    async fn prepare(&self) -> Result<Prepared<A>, StartError> {
        // Taken out while it is called: it may come back here.
        let Some(mut factory) = self.factory.take() else { return Err(StartError::Stopped) };
        let built = catch(|| factory(self.standing().bus().clone()));
        *self.factory.borrow_mut() = Some(factory);
        let service = match built {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => return Err(StartError::NotBuilt(error.chain())),
            Err(text) => return Err(StartError::NotBuilt(format!("panicked: {text}"))),
        };
        let mut prepared = Prepared(Some(service));
        if let Some(service) = &mut prepared.0 {
            let limit = self.options.start_timeout;
            // What makes the future runs the first lines of a `start` that is no `async fn`.
            let start = catch(|| Guarded::new(service.prepare())).map_err(|text| format!("panicked: {text}"));
            let started = match start {
                Ok(start) => runtime::within(limit, start).await,
                Err(text) => return Err(StartError::Failed(text)),
            };
            match started {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => return Err(StartError::Failed(error.chain())),
                Some(Err(text)) => return Err(StartError::Failed(format!("panicked: {text}"))),
                None => return Err(StartError::TimedOut(limit)),
            }
        }
        Ok(prepared)
    }

    /// Makes an actor of it, which hears what it has declared.
    async fn embody(&self, mut prepared: Prepared<A>) -> Result<(), StartError> {
        // What somebody else has ended, as with `bus.clear()`, is subscribed anew.
        let ended = self.seats.borrow().iter().any(|seat| seat.has_ended());
        if ended {
            self.unsubscribe();
        }
        if self.seats.borrow().is_empty() {
            let made = catch(|| A::seats(&self.oversight, &self.options.terms));
            let made = made.map_err(|text| StartError::Failed(format!("panicked: {text}")))?;
            *self.seats.borrow_mut() = made.map_err(StartError::Subscriptions)?;
        }
        self.refusals.end();
        let Some(service) = prepared.0.take() else { return Err(StartError::Stopped) };
        let mut ctx = Context::new();
        let addr = ctx.address();
        self.seats.borrow().iter().for_each(|seat| seat.attend(&mut ctx));
        self.run.set(self.run.get() + 1);
        let run = self.run.get();
        let keeper = self.keeper.borrow().clone();
        let reins = Reins::new(move |end| {
            if let Some(keeper) = keeper {
                keeper.ended(run, end);
            }
        });
        *self.reins.borrow_mut() = Some(reins.clone());
        let shared = self.shared.clone();
        let executor = runtime::executor_here();
        Instance::start(&executor, ctx.into_future(service), &self.oversight, &reins, move |end| match end {
            // Whatever its keeper says, if that has ended before it.
            End::Gone => shared.end(),
            _ => shared.leave(),
        });
        match reins.started().await {
            Ok(()) => {
                *self.addr.borrow_mut() = Some(addr.clone());
                // Not before: a message would come to an actor that has not begun.
                self.shared.arrive(addr);
                Ok(())
            }
            Err(end) => {
                reins.expect_end();
                drop(addr);
                Err(StartError::Failed(end.error().unwrap_or_else(|| "it stopped at once".to_owned())))
            }
        }
    }

    /// Waits until nothing waits for it and no call is under way.
    async fn drained(&self) {
        self.passed().await;
        self.until(|seat| seat.is_idle()).await;
    }

    /// Waits until this is true of all its seats, and no message is under way; or until its actor has ended.
    async fn until(&self, at_rest: impl Fn(&dyn ServiceSeat<A>) -> bool) {
        let Some(reins) = self.reins.borrow().clone() else { return };
        self.oversight.await_rest(true);
        let rested = async {
            while self.shared.in_flight() > 0 || !self.seats.borrow().iter().all(|seat| at_rest(&**seat)) {
                self.shared.rest.notified().await;
            }
        };
        either(reins.ended(), rested).await;
        self.oversight.await_rest(false);
    }

    /// Waits until what was on its way to it when its subscriptions ended has come.
    async fn passed(&self) {
        let bus = self.standing().bus();
        let hub = bus.hub();
        let station = settle(hub, &runtime::executor_here());
        let door = station.door().clone();
        drop(station);
        let (near, has_come) = oneshot::channel();
        door.push_always(ToStation::Passed { told: near });
        let (far, has_come_from_afar) = oneshot::channel();
        door.push_behind_others(ToStation::Passed { told: far });
        // An error means that the station is gone, with all that came to it.
        let _ = has_come.await;
        let _ = has_come_from_afar.await;
    }

    /// What the future gives, unless it takes longer than this or somebody is in a hurry.
    async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        let hurried = async {
            while !self.hurried.get() {
                self.hurry.notified().await;
            }
        };
        match either(runtime::within(limit, future), hurried).await {
            Either::First(done) => done,
            Either::Second(()) => None,
        }
    }

    fn waiting(&self) -> usize {
        self.seats.borrow().iter().map(|seat| seat.waiting()).sum::<usize>() + self.shared.in_flight()
    }

    fn retire(&self) {
        let hub = self.standing().bus().hub().clone();
        self.seats.borrow().iter().for_each(|seat| seat.retire(&hub));
    }

    /// Ends its subscriptions; what waits becomes dead letters.
    fn unsubscribe(&self) {
        let seats = std::mem::take(&mut *self.seats.borrow_mut());
        drop_quietly(seats);
    }

    /// Has the present actor end, with its `stop`; returns what went wrong.
    async fn end_actor(&self) -> Option<String> {
        let reins = self.reins.take()?;
        let addr = self.addr.take();
        let limit = self.options.stop_timeout;
        reins.stop();
        let end = match self.within(limit, reins.ended()).await {
            Some(end) => end,
            None => {
                reins.kill();
                reins.ended().await;
                let why = match self.hurried.get() {
                    true => "had to hurry: its `stop` was cut short".to_owned(),
                    false => format!("had not stopped after {limit:?}"),
                };
                self.standing().unseen(&why);
                return Some(why);
            }
        };
        drop(addr);
        let error = end.error();
        if let (End::Told(_), Some(error)) = (&end, &error) {
            self.standing().unseen(error);
        }
        error
    }

    fn over(&self, state: ServiceState, error: Option<String>) {
        let name = &self.options.name;
        match state {
            ServiceState::Failed => self.refusals.failed(name, &self.seats.borrow(), error.as_deref()),
            _ => self.refusals.stopped(name, &self.seats.borrow()),
        }
        self.unsubscribe();
        self.fell.take();
        self.enter(state, error);
        // After the state, which those who wait are told.
        self.shared.end();
    }
}

impl<A: Living> Child for Life<A> {
    fn name(&self) -> Name {
        self.options.name.clone()
    }

    fn answers_to(&self, name: &str) -> bool {
        *self.options.name == *name || A::TYPE == name
    }

    fn record(&self) -> &Arc<Record> {
        &self.shared.record
    }

    fn is_over(&self) -> bool {
        self.standing().state().is_over()
    }

    fn has_failed(&self) -> bool {
        self.standing().state() == ServiceState::Failed
    }

    fn is_source(&self) -> bool {
        self.options.is_source
    }

    fn needs(&self) -> Vec<Name> {
        A::NEEDED.iter().map(|name| Name::constant(name)).collect()
    }

    fn restart(&self) -> (Restart, Backoff, Budget) {
        (self.options.restart, self.options.backoff, self.options.budget)
    }

    fn runs(&self) -> u64 {
        self.run.get()
    }

    fn ran(&self) -> Duration {
        self.ran.get() + self.running_since.get().map_or(Duration::ZERO, |since| runtime::now() - since)
    }

    fn keep(&self, keeper: ToKeeper) {
        *self.keeper.borrow_mut() = Some(keeper);
    }

    fn start(&self) -> LocalFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            self.is_interrupted.set(false);
            self.fell.take();
            self.oversight.start();
            self.enter(ServiceState::Starting, None);
            self.shared.leave();
            let interrupted = async {
                while !self.is_interrupted.get() {
                    self.interrupted.notified().await;
                }
            };
            let started = match either(self.prepare(), interrupted).await {
                Either::First(Ok(prepared)) => self.embody(prepared).await,
                Either::First(Err(error)) => Err(error),
                Either::Second(()) => Err(StartError::Stopped),
            };
            match &started {
                Ok(()) => {
                    self.has_run.set(true);
                    self.enter(ServiceState::Running, None);
                    self.oversight.resume();
                }
                Err(error) => {
                    drop(self.reins.take());
                    // A first start that fails is told to whoever awaits it, and one that was told to stop is none.
                    if self.has_run.get() && *error != StartError::Stopped {
                        self.oversight.unseen(&error.to_string());
                    }
                }
            }
            started
        })
    }

    fn interrupt(&self, _: bool) {
        self.is_interrupted.set(true);
        self.interrupted.notify_one();
    }

    fn away(&self, fall: Fall, why: String) {
        self.reins.take();
        self.addr.take();
        *self.fell.borrow_mut() = Some(why.clone());
        self.standing().falls(fall);
        self.enter(ServiceState::Restarting, Some(why));
        self.shared.leave();
    }

    fn fell(&self) -> Option<String> {
        self.fell.borrow().clone()
    }

    fn bereave(&self, why: Option<&str>) {
        self.refusals.bereave(why);
    }

    fn pause(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            if self.reins.borrow().is_none() {
                self.standing().falls(Fall::Neighbor);
                self.enter(ServiceState::Restarting, None);
                return;
            }
            self.enter(ServiceState::Stopping, None);
            self.shared.leave();
            self.oversight.pause();
            // What is under way is not the next actor's.
            let limit = self.options.drain_timeout;
            let _ = self.within(limit, self.until(|seat| seat.is_at_rest())).await;
            let error = self.end_actor().await;
            self.standing().falls(Fall::Neighbor);
            self.enter(ServiceState::Restarting, error);
        })
    }

    fn stop(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            if self.standing().state().is_over() {
                return;
            }
            self.enter(ServiceState::Stopping, None);
            self.shared.end();
            let mut left = None;
            if self.reins.borrow().is_some() {
                self.refusals.stopped(&self.options.name, &self.seats.borrow());
                self.retire();
                let limit = self.options.drain_timeout;
                if self.within(limit, self.drained()).await.is_none() {
                    left = Some(format!("{} events or messages were not done after {limit:?}", self.waiting()));
                }
            }
            let error = self.end_actor().await;
            self.over(ServiceState::Stopped, error.or(left));
        })
    }

    fn hurry(&self) {
        self.hurried.set(true);
        self.hurry.notify_one();
        self.interrupt(false);
    }

    fn is_up(&self) -> bool {
        self.standing().state().is_up()
    }

    fn expire(&self, since: Instant) -> Instant {
        let limit = self.call_timeout();
        let latest = runtime::after(runtime::now(), limit);
        self.seats.borrow().iter().map(|seat| seat.expire(limit, since)).min().unwrap_or(latest)
    }

    fn settle(&self, error: Option<String>, failed: bool) {
        self.reins.take();
        self.addr.take();
        if failed && self.has_run.get() {
            self.oversight.unseen(error.as_deref().unwrap_or("has failed"));
        }
        self.over(if failed { ServiceState::Failed } else { ServiceState::Stopped }, error);
    }
}

impl<A: Living> Life<A> {
    /// How long a call of it may take.
    fn call_timeout(&self) -> Duration {
        self.options.terms.timeout.unwrap_or_else(|| self.standing().bus().hub().limits().listener_timeout)
    }
}

impl<A: Living> Drop for Life<A> {
    fn drop(&mut self) {
        // With its arbiter, before anybody has stopped it.
        if !self.standing().state().is_over() {
            self.over(ServiceState::Stopped, Some("its arbiter has ended".to_owned()));
        }
        drop_quietly(self.factory.take());
    }
}
