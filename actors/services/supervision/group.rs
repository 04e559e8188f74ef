//! A supervisor in its place in a tree: a life whose actors are other lives.
//!
//! `supervisor.rs → Group → a keeper for each child, or one for all → their ends → the keeper above`

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keeper::Keeper;
use super::supervision::{Keeping, Shared, Strategy};
use super::supervisor::Supervisor;
use crate::events::event::Name;
use crate::runtime::{self, spawn_named};
use crate::services::life::{Backoff, Budget, Child, End, Ledger, LocalFuture, Restart, ToKeeper};
use crate::services::standing::{Record, ServiceState, Standing, StartError};

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
        })
    }

    fn enter(&self, state: ServiceState, error: Option<String>) {
        self.standing.enter(state, error);
        if self.standing.state().is_up() {
            self.since.set(Some(runtime::now()));
        } else if let Some(since) = self.since.take() {
            self.ran.set(self.ran.get() + (runtime::now() - since));
        }
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
        let me = self.me.clone();
        let ran = Box::new(move || me.upgrade().map_or(Duration::ZERO, |group| group.ran()));
        let ledger = Rc::new(Shared { ledger: RefCell::new(Ledger::new(self.plan.budget)), ran });
        let sets: Vec<Vec<_>> = match self.plan.strategy {
            Strategy::OneForOne => self.plan.children.iter().map(|child| vec![child.clone()]).collect(),
            _ => vec![self.plan.children.clone()],
        };
        for children in sets.into_iter().filter(|children| !children.is_empty()) {
            let me = self.me.clone();
            let on_failed = Box::new(move |why| Self::failed(&me, run, why));
            let named = children[0].name();
            let alone = children.len() == 1;
            let (keeper, started) =
                Keeping::begin(children, self.plan.strategy, Some(ledger.clone()), false, Some(on_failed));
            self.keepers.borrow_mut().push(keeper);
            let started = started.await.map_err(|_| StartError::Stopped).and_then(|started| started);
            if let Err(error) = started {
                self.stop_children().await;
                return Err(match error {
                    StartError::Stopped | StartError::Neighbor { .. } => error,
                    error if alone => StartError::Neighbor { service: named.to_string(), error: Box::new(error) },
                    error => error,
                });
            }
        }
        Ok(())
    }

    async fn stop_children(&self) {
        // They stay listed until they have ended: somebody else may wait for the same.
        let keepers = self.keepers.borrow().clone();
        for keeper in keepers.into_iter().rev() {
            if self.hurried.get() {
                keeper.hurry();
            }
            keeper.stop().await;
        }
        // Those that were paused have no keeper.
        for child in self.plan.children.iter().rev().filter(|child| !child.is_over()) {
            child.stop().await;
        }
    }

    /// A child is beyond the budget: the others stop, and whoever is above is told.
    fn failed(me: &Weak<Self>, run: u64, why: String) {
        let Some(group) = me.upgrade().filter(|group| group.runs.get() == run) else { return };
        let label = format!("the end of the supervisor `{}`", group.plan.name);
        spawn_named(move || label.clone(), async move {
            group.stop_children().await;
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

    fn records(&self, into: &mut Vec<Arc<Record>>) {
        into.push(self.record.clone());
        self.plan.children.iter().for_each(|child| child.records(into));
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
            self.enter(ServiceState::Starting, None);
            let started = self.start_children().await;
            if started.is_ok() {
                self.enter(ServiceState::Running, None);
            }
            started
        })
    }

    fn interrupt(&self) {
        self.keepers.borrow().iter().for_each(Keeper::ask_to_stop);
    }

    fn away(&self, why: String) {
        self.enter(ServiceState::Restarting, Some(why));
    }

    fn pause(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            self.enter(ServiceState::Stopping, None);
            let keepers = self.keepers.borrow().clone();
            for keeper in keepers.into_iter().rev() {
                keeper.pause().await;
            }
            self.enter(ServiceState::Restarting, None);
        })
    }

    fn stop(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            if self.is_over() {
                return;
            }
            self.enter(ServiceState::Stopping, None);
            self.stop_children().await;
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
        self.enter(if failed { ServiceState::Failed } else { ServiceState::Stopped }, error);
    }
}
