//! The restarts that a keeper has left, for each of its children and for all of them together.
//!
//! `a child has fallen → Allowance::spend → supervision.rs`, `a group fails ─ ToKeeper → Allowance::brings_back → group.rs`

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::services::life::{Budget, Child, Ledger};
use crate::services::standing::Record;

/// What a supervisor has in common with the keepers of its children.
pub(crate) struct Shared {
    /// The restarts that it allows to all of its children together.
    pub(super) ledger: RefCell<Ledger>,
    /// The status of the supervisor, which says what is left of them.
    pub(super) record: Arc<Record>,
    /// How long it has run.
    pub(super) ran: Box<dyn Fn() -> Duration>,
    /// Whether it would be started again if it failed now.
    pub(super) comes_back: Box<dyn Fn() -> bool>,
}

/// The restarts that a keeper has left.
pub(super) struct Allowance {
    ledgers: RefCell<Vec<Ledger>>,
    /// Of the supervisor, if there is one.
    shared: Option<Rc<Shared>>,
    /// Whether what has ended is started again here. What falls before all have started is not, nor what falls beneath a
    /// root, which has been kept by those beneath.
    restarts: Cell<bool>,
}

impl Allowance {
    pub(super) fn new(budgets: impl Iterator<Item = Budget>, shared: Option<Rc<Shared>>) -> Rc<Self> {
        Rc::new(Self { ledgers: RefCell::new(budgets.map(Ledger::new).collect()), shared, restarts: Cell::new(false) })
    }

    /// From now on what has ended is started again.
    pub(super) fn begin(&self) {
        self.restarts.set(true);
    }

    /// Spends a restart of a child that has run so long, and of all; returns which of its own it is, or why there is none
    /// left.
    pub(super) fn spend(&self, child: usize, ran: Duration) -> Result<u32, String> {
        let beyond = |whose: &str, budget: Budget| {
            let within = budget.within();
            match budget.restarts() {
                0 => format!("{whose}no restart is allowed"),
                1 => format!("{whose}1 restart within {within:?} of running is the most"),
                restarts => format!("{whose}{restarts} restarts within {within:?} of running are the most"),
            }
        };
        let ledger = &mut self.ledgers.borrow_mut()[child];
        let nth = ledger.spend(ran).ok_or_else(|| beyond("", ledger.budget()))?;
        if let Some(shared) = &self.shared {
            let ran = (shared.ran)();
            let mut ledger = shared.ledger.borrow_mut();
            let budget = ledger.budget();
            let spent = ledger.spend(ran);
            shared.record.allow(budget.restarts(), budget.within(), ledger.spent());
            spent.ok_or_else(|| beyond("of its supervisor, ", budget))?;
        }
        Ok(nth)
    }

    /// Has this child say what is left of its budget.
    pub(super) fn tell(&self, place: usize, child: &dyn Child) {
        if let Some(ledger) = self.ledgers.borrow().get(place) {
            child.spent(ledger);
        }
    }

    /// Whether a child that fails now, having run so long, is started again: here, if it is one that comes back, or with all
    /// of them.
    pub(super) fn brings_back(&self, child: usize, comes_back: bool, ran: Duration) -> bool {
        if !self.restarts.get() {
            // It fails the start of all, whatever it is.
            return self.all_come_back();
        }
        let has_one = |ledger: &mut Ledger| ledger.has_one(ran);
        let of_all = |shared: &Rc<Shared>| shared.ledger.borrow_mut().has_one((shared.ran)());
        let here =
            || self.ledgers.borrow_mut().get_mut(child).is_some_and(has_one) && self.shared.as_ref().is_none_or(of_all);
        comes_back && (here() || self.all_come_back())
    }

    /// Whether all of them are started again, by who is above, if they end now.
    pub(super) fn all_come_back(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| (shared.comes_back)())
    }
}
