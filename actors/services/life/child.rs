//! What is kept alive, as its keeper sees it: a service, or a supervisor of several.
//!
//! `supervision.rs ─ start, pause, stop → Child ← life.rs, group.rs ─ ToKeeper → keeper.rs`

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::instance::End;
use super::restart::{Backoff, Budget, Ledger, Restart};
use super::tree::Node;
use crate::events::event::Name;
use crate::services::standing::{Fall, Record, StartError};

/// What is kept alive: a service, or a supervisor of several.
pub(crate) trait Child {
    fn name(&self) -> Name;

    /// Whether this is what it is called, or the name of its type.
    fn answers_to(&self, name: &str) -> bool;

    /// Its own status.
    fn record(&self) -> &Arc<Record>;

    /// Adds the statuses of all services in it.
    fn records(&self, into: &mut Vec<Arc<Record>>) {
        into.push(self.record().clone());
    }

    /// Adds the status of the one that is called so, and of those above it in here; says whether there is such a one.
    fn line(&self, name: &Name, into: &mut Vec<Arc<Record>>) -> bool {
        let is_it = self.name() == *name;
        into.extend(is_it.then(|| self.record().clone()));
        is_it
    }

    /// Its place in the tree, with what is beneath it.
    fn node(&self) -> Node {
        Node { record: self.record().clone(), strategy: None, needs: self.needs(), children: Vec::new() }
    }

    /// What it has spent of its own budget, for whoever asks.
    fn spent(&self, ledger: &Ledger) {
        let budget = ledger.budget();
        self.record().allow(budget.restarts(), budget.within(), ledger.spent());
    }

    /// The names of the services that have to run before it.
    fn needs(&self) -> Vec<Name>;

    fn restart(&self) -> (Restart, Backoff, Budget);

    /// How often it was started: tells news of one start from news of an earlier.
    fn runs(&self) -> u64;

    /// How long it has run in all.
    fn ran(&self) -> Duration;

    /// Whether it has ended and does not come back.
    fn is_over(&self) -> bool;

    /// Whether it has ended for good by what went wrong.
    fn has_failed(&self) -> bool;

    /// Whether it brings in work for the others: it starts after them, and stops before anything else does.
    fn is_source(&self) -> bool;

    /// Names who is to be told of its end.
    fn keep(&self, keeper: ToKeeper);

    /// Starts it; it is subscribed and running when this is done.
    fn start(&self) -> LocalFuture<'_, Result<(), StartError>>;

    /// Has a start that is under way end soon, with an error; for a pause, what had started stays subscribed.
    fn interrupt(&self, pausing: bool);

    /// It has ended by this, and comes back.
    fn away(&self, fall: Fall, why: String);

    /// Why it has ended by itself, while it is away for that.
    fn fell(&self) -> Option<String>;

    /// Says why what comes for it once it has stopped becomes a dead letter: its supervisor has failed for good. `None` takes
    /// that back.
    fn bereave(&self, why: Option<&str>);

    /// Ends its actors, in order to start it again: it stays subscribed.
    fn pause(&self) -> LocalFuture<'_, ()>;

    /// Stops it, with its last events handled.
    fn stop(&self) -> LocalFuture<'_, ()>;

    /// Has a stop that is under way, or comes, wait for nothing.
    fn hurry(&self);

    /// Whether it runs.
    fn is_up(&self) -> bool;

    /// Who has awaited a call of it for as long as one may take, while it is away since then, waits no longer; returns when
    /// to look again.
    fn expire(&self, since: Instant) -> Instant;

    /// It has ended, and does not come back.
    fn settle(&self, error: Option<String>, failed: bool);
}

pub(crate) type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The way of a child to its keeper: what it tells of its end, and what it may expect then.
#[derive(Clone)]
pub(crate) struct ToKeeper {
    tell: Rc<dyn Fn(u64, End)>,
    brings_back: Rc<dyn Fn(bool, Duration) -> bool>,
}

impl ToKeeper {
    pub(crate) fn new(
        tell: impl Fn(u64, End) + 'static,
        brings_back: impl Fn(bool, Duration) -> bool + 'static,
    ) -> Self {
        Self { tell: Rc::new(tell), brings_back: Rc::new(brings_back) }
    }

    /// It has ended, in this of its runs.
    pub(crate) fn ended(&self, run: u64, end: End) {
        (self.tell)(run, end);
    }

    /// Whether it would be started again, by this keeper or one above, if it failed now: whether it is one that comes back,
    /// and how long it has run in all.
    pub(crate) fn brings_back(&self, restarts: bool, ran: Duration) -> bool {
        (self.brings_back)(restarts, ran)
    }
}
