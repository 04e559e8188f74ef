//! A supervisor in its place in a tree: a life whose actors are other lives.
//!
//! `supervisor.rs → Group → a keeper for each child, or one for all → their ends → the keeper above`

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::Shared;
use super::keeper::Keeper;
use super::supervision::Keeping;
use super::supervisor::Supervisor;
use crate::events::event::Name;
use crate::runtime::{self, spawn_named};
use crate::services::life::{Backoff, Budget, Child, End, Ledger, LocalFuture, Node, Restart, Strategy, ToKeeper};
use crate::services::standing::{Fall, Record, ServiceState, Standing, StartError};

/// A supervisor that has a place in a tree.
pub(crate) struct Group {
    me: Weak<Self>,
    record: Arc<Record>,
    standing: Standing,
    plan: Supervisor,
    /// One for each child, or one for all.
    keepers: RefCell<Vec<Keeper>>,
    above: RefCell<Option<ToKeeper>>,
    runs: Cell<u64>,
    ran: Cell<Duration>,
    since: Cell<Option<Instant>>,
    hurried: Cell<bool>,
    /// Whether its start was interrupted, and if so, whether for a pause.
    interrupted: Cell<Option<bool>>,
    /// Why it fails, with the run in which it does.
    failure: RefCell<Option<(u64, String)>>,
    /// Why it has ended by itself, while it is away for that.
    fell: RefCell<Option<String>>,
    /// That a supervisor above has failed for good, and why.
    bereft: RefCell<Option<String>>,
}

impl Group {
    pub(crate) fn of(plan: Supervisor) -> Rc<Self> {
        let record = Record::new(plan.name.clone());
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            standing: Standing::new(record.clone(), plan.bus.clone()),
            record,
            plan,
            keepers: RefCell::default(),
            above: RefCell::default(),
            runs: Cell::new(0),
            ran: Cell::new(Duration::ZERO),
            since: Cell::new(None),
            hurried: Cell::new(false),
            interrupted: Cell::new(None),
            failure: RefCell::default(),
            fell: RefCell::default(),
            bereft: RefCell::default(),
        })
    }

    fn enter(&self, state: ServiceState, error: Option<String>) {
        self.standing.enter(state, error);
        if self.standing.state().is_up() {
            self.since.set(Some(runtime::now()));
        } else {
            self.rest();
        }
    }

    /// It does not run any more, as far as its budgets go.
    fn rest(&self) {
        if let Some(since) = self.since.take() {
            self.ran.set(self.ran.get() + (runtime::now() - since));
        }
    }

    /// Whether the keeper above starts it again if it fails now.
    fn comes_back(&self) -> bool {
        let above = self.above.borrow();
        let restarts = self.plan.restart.follows(true);
        above.as_ref().is_some_and(|above| above.brings_back(restarts, self.ran()))
    }

    /// It has failed for good.
    fn bereave_children(&self, why: &str) {
        let why = format!("its supervisor `{}` has failed: {why}", self.plan.name);
        self.plan.children.iter().for_each(|child| child.bereave(Some(&why)));
    }

    /// They start one after the other, so what one needs stands before it.
    fn check_order(&self) -> Result<(), StartError> {
        for (place, child) in self.plan.children.iter().enumerate() {
            let later = &self.plan.children[place..];
            let misplaced = |need: &Name| later.iter().any(|other| other.answers_to(need));
            if let Some(needs) = child.needs().into_iter().find(misplaced) {
                let error = Box::new(StartError::Order { needs: needs.to_string() });
                return Err(StartError::Neighbor { service: child.name().to_string(), error });
            }
        }
        Ok(())
    }

    async fn start_children(&self) -> Result<(), StartError> {
        self.check_order()?;
        self.runs.set(self.runs.get() + 1);
        let run = self.runs.get();
        self.keepers.take();
        let bereft = self.bereft.borrow().clone();
        self.plan.children.iter().for_each(|child| child.bereave(bereft.as_deref()));
        self.record.allow(self.plan.budget.restarts(), self.plan.budget.within(), Vec::new());
        let (me, myself) = (self.me.clone(), self.me.clone());
        let ledger = Rc::new(Shared {
            ledger: RefCell::new(Ledger::new(self.plan.budget)),
            record: self.record.clone(),
            ran: Box::new(move || me.upgrade().map_or(Duration::ZERO, |group| group.ran())),
            comes_back: Box::new(move || myself.upgrade().is_some_and(|group| group.comes_back())),
        });
        let sets: Vec<Vec<_>> = match self.plan.strategy {
            Strategy::OneForOne => self.plan.children.iter().map(|child| vec![child.clone()]).collect(),
            _ => vec![self.plan.children.clone()],
        };
        for children in sets.into_iter().filter(|children| !children.is_empty()) {
            let me = self.me.clone();
            let on_failed = Box::new(move |why, comes_back| Self::failed(&me, run, why, comes_back));
            let named = children[0].name();
            let alone = children.len() == 1;
            let (keeper, started) =
                Keeping::begin(children, self.plan.strategy, Some(ledger.clone()), false, Some(on_failed));
            self.keepers.borrow_mut().push(keeper);
            let started = started.await.map_err(|_| StartError::Stopped).and_then(|started| started);
            if let Err(error) = started {
                let failure =
                    self.failure.borrow().as_ref().filter(|(failed, _)| *failed == run).map(|(_, why)| why.clone());
                let pauses = self.interrupted.get().unwrap_or_else(|| self.comes_back());
                if !pauses && self.interrupted.get().is_none() {
                    self.bereave_children(failure.as_ref().unwrap_or(&error.to_string()));
                }
                self.end_children(pauses).await;
                return Err(match error {
                    // One that had started has failed since, and that has ended the start of this one.
                    StartError::Stopped if failure.is_some() => StartError::Failed(failure.unwrap_or_default()),
                    StartError::Stopped | StartError::Neighbor { .. } => error,
                    error if alone => StartError::Neighbor { service: named.to_string(), error: Box::new(error) },
                    error => error,
                });
            }
        }
        Ok(())
    }

    /// Has them pause until they are started again, or stop.
    async fn end_children(&self, pausing: bool) {
        let run = self.runs.get();
        // They stay listed until they have ended: somebody else may wait for the same.
        let keepers = self.keepers.borrow().clone();
        for keeper in keepers.into_iter().rev() {
            if self.hurried.get() {
                keeper.hurry();
            }
            match pausing {
                true => keeper.pause().await,
                false => keeper.stop().await,
            }
        }
        // Those that were paused have no keeper. They may have been started again meanwhile.
        for child in self.plan.children.iter().rev().filter(|_| !pausing) {
            if self.runs.get() == run && !child.is_over() {
                child.stop().await;
            }
        }
    }

    /// A child is beyond the budget: the others pause, or stop if nobody starts them again, and whoever is above is told.
    fn failed(me: &Weak<Self>, run: u64, why: String, comes_back: bool) {
        let Some(group) = me.upgrade().filter(|group| group.runs.get() == run) else { return };
        if group.failure.borrow().as_ref().is_some_and(|(failed, _)| *failed == run) {
            return;
        }
        *group.failure.borrow_mut() = Some((run, why.clone()));
        group.rest();
        if !comes_back {
            group.bereave_children(&why);
        }
        let label = format!("the end of the supervisor `{}`", group.plan.name);
        spawn_named(move || label.clone(), async move {
            group.end_children(comes_back).await;
            let above = group.above.borrow().clone();
            if let Some(above) = above {
                above.ended(run, End::Failed(why));
            }
        });
    }
}

impl Child for Group {
    fn name(&self) -> Name {
        self.plan.name.clone()
    }

    fn answers_to(&self, name: &str) -> bool {
        *self.plan.name == *name || self.plan.children.iter().any(|child| child.answers_to(name))
    }

    fn record(&self) -> &Arc<Record> {
        &self.record
    }

    fn node(&self) -> Node {
        let children = self.plan.children.iter().map(|child| child.node()).collect();
        Node { record: self.record.clone(), strategy: Some(self.plan.strategy), needs: Vec::new(), children }
    }

    /// Its status tells what is left to all of its children.
    fn spent(&self, _: &Ledger) {}

    fn records(&self, into: &mut Vec<Arc<Record>>) {
        into.push(self.record.clone());
        self.plan.children.iter().for_each(|child| child.records(into));
    }

    fn line(&self, name: &Name, into: &mut Vec<Arc<Record>>) -> bool {
        let is_in_it = self.plan.name == *name || self.plan.children.iter().any(|child| child.line(name, into));
        into.extend(is_in_it.then(|| self.record.clone()));
        is_in_it
    }

    fn needs(&self) -> Vec<Name> {
        let needs: Vec<_> = self.plan.children.iter().flat_map(|child| child.needs()).collect();
        needs.into_iter().filter(|name| !self.answers_to(name)).collect()
    }

    fn restart(&self) -> (Restart, Backoff, Budget) {
        (self.plan.restart, self.plan.backoff, Budget::default())
    }

    fn runs(&self) -> u64 {
        self.runs.get()
    }

    fn ran(&self) -> Duration {
        self.ran.get() + self.since.get().map_or(Duration::ZERO, |since| runtime::now() - since)
    }

    fn is_over(&self) -> bool {
        self.standing.state().is_over()
    }

    fn has_failed(&self) -> bool {
        self.standing.state() == ServiceState::Failed
    }

    fn is_source(&self) -> bool {
        !self.plan.children.is_empty() && self.plan.children.iter().all(|child| child.is_source())
    }

    fn keep(&self, keeper: ToKeeper) {
        *self.above.borrow_mut() = Some(keeper);
    }

    fn start(&self) -> LocalFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            self.interrupted.set(None);
            self.fell.take();
            self.enter(ServiceState::Starting, None);
            let started = self.start_children().await;
            if started.is_ok() {
                self.enter(ServiceState::Running, None);
            }
            started
        })
    }

    fn interrupt(&self, pausing: bool) {
        self.interrupted.set(Some(pausing));
        self.keepers.borrow().iter().for_each(if pausing { Keeper::ask_to_pause } else { Keeper::ask_to_stop });
    }

    fn away(&self, fall: Fall, why: String) {
        *self.fell.borrow_mut() = Some(why.clone());
        self.standing.falls(fall);
        self.enter(ServiceState::Restarting, Some(why));
    }

    fn fell(&self) -> Option<String> {
        self.fell.borrow().clone()
    }

    fn bereave(&self, why: Option<&str>) {
        *self.bereft.borrow_mut() = why.map(str::to_owned);
        self.plan.children.iter().for_each(|child| child.bereave(why));
    }

    fn pause(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            self.enter(ServiceState::Stopping, None);
            self.end_children(true).await;
            self.standing.falls(Fall::Neighbor);
            self.enter(ServiceState::Restarting, None);
        })
    }

    fn stop(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            if self.is_over() {
                return;
            }
            self.enter(ServiceState::Stopping, None);
            self.end_children(false).await;
            self.enter(ServiceState::Stopped, None);
        })
    }

    fn hurry(&self) {
        self.keepers.borrow().iter().for_each(Keeper::hurry);
        self.hurried.set(true);
    }

    fn is_up(&self) -> bool {
        self.standing.state().is_up()
    }

    fn expire(&self, since: Instant) -> Instant {
        let latest = runtime::after(since, runtime::FOREVER);
        self.plan.children.iter().map(|child| child.expire(since)).min().unwrap_or(latest)
    }

    fn settle(&self, error: Option<String>, failed: bool) {
        if failed {
            self.bereave_children(error.as_deref().unwrap_or("without a reason"));
        }
        // Those that were to be started again with it are not.
        for child in self.plan.children.iter().rev().filter(|child| !child.is_over()) {
            let fell = child.fell().filter(|_| failed);
            let has_fallen = fell.is_some();
            child.settle(fell, has_fallen);
        }
        self.fell.take();
        self.enter(if failed { ServiceState::Failed } else { ServiceState::Stopped }, error);
    }
}
