//! What a broker and its sessions share; all of them are on one arbiter.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::link::FromSession;
use super::meter::Meter;
use super::roster::Roster;
use super::spare::Spare;
use crate::base::Payload;
use crate::rounds::BrokerId;
use crate::rounds::messages::{Route, ToBroker};
use crate::rounds::round::Kept;
use crate::runtime::{Executor, Inbox, TaskId};

/// What a broker and its sessions share; all of them are on one arbiter.
pub(crate) struct Room<P: Payload> {
    pub(crate) id: BrokerId,
    pub(crate) executor: Rc<Executor>,
    pub(crate) broker: TaskId,
    pub(crate) door: Arc<Inbox<ToBroker<P>>>,
    pub(crate) roster: RefCell<Roster<P>>,
    /// In the order in which they joined; their names stand in the directory, at the same places.
    pub(crate) consumers: RefCell<Vec<Listed<P>>>,
    pub(crate) back: RefCell<VecDeque<FromSession<P>>>,
    pub(crate) spare: RefCell<Spare<P>>,
    pub(crate) meter: Meter,
    pub(crate) consumer_timeout: Duration,
    /// How many signals one round may hold back for the next.
    pub(crate) max_deferred: usize,
    /// How many sessions live; those whose rounds are closed wait for their consumers.
    pub(crate) sessions: Cell<usize>,
    /// The broker is gone, and nobody reads what goes back to it.
    pub(crate) deserted: Cell<bool>,
}

impl<P: Payload> Room<P> {
    /// Writes the names of the consumers into the directory, after a change.
    pub(crate) fn name_consumers(&self) {
        let names = self.consumers.borrow().iter().map(|consumer| consumer.name.clone()).collect();
        self.roster.borrow_mut().name_consumers(names);
    }

    pub(crate) fn tell_broker(&self, message: FromSession<P>) {
        if self.deserted.get() {
            return;
        }
        self.back.borrow_mut().push_back(message);
        self.executor.wake(self.broker);
    }

    /// A round was resolved to which everybody has given a signal: these.
    pub(crate) fn count_complete(&self, kept: &[Kept]) {
        let mut roster = self.roster.borrow_mut();
        roster.count_all_kept(kept.len());
        roster.count_last(kept);
    }

    /// Leaves the broker word for its next turn, whenever that comes: there it hears this first.
    pub(crate) fn leave_word(&self, message: FromSession<P>) {
        if self.deserted.get() {
            return;
        }
        let waiting = {
            let mut back = self.back.borrow_mut();
            back.push_back(message);
            back.len()
        };
        if waiting >= LEFT {
            self.executor.wake(self.broker);
        }
    }
}

/// So many closed rounds wait for a broker that has nothing else to do.
const LEFT: usize = 64;

/// A consumer of a broker.
pub(crate) struct Listed<P: Payload> {
    pub(crate) ticket: u64,
    pub(crate) name: Arc<str>,
    pub(crate) route: Route<P>,
}
