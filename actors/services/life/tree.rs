//! Services and their supervisors as a tree, for whoever asks, on any thread.
//!
//! `Child::node → Node → ServiceTree ─ look → ServiceView, with what each Record knows`

use std::fmt;
use std::sync::Arc;

use super::strategy::Strategy;
use crate::events::event::Name;
use crate::services::standing::{BudgetLeft, Record, ServiceChange, ServiceStatus};

/// A service or a supervisor, in its place.
pub(crate) struct Node {
    pub(crate) record: Arc<Record>,
    /// Of a supervisor.
    pub(crate) strategy: Option<Strategy>,
    pub(crate) needs: Vec<Name>,
    pub(crate) children: Vec<Self>,
}

impl Node {
    fn view(&self) -> ServiceView {
        let (changes, changes_before) = self.record.changes();
        ServiceView {
            status: self.record.seen(),
            strategy: self.strategy,
            needs: self.needs.clone(),
            budget: self.record.budget(),
            changes,
            changes_before,
            children: self.children.iter().map(Self::view).collect(),
        }
    }
}

/// The services of an application, or of a supervisor, as a tree that you can look at from any thread. It is cheap to clone,
/// and keeps no service alive.
///
/// It is what [`ServicesHandle::tree`](crate::ServicesHandle::tree), [`SupervisorHandle::tree`](crate::SupervisorHandle::tree)
/// and [`ServiceAddr::tree`](crate::ServiceAddr::tree) return.
#[derive(Clone)]
pub struct ServiceTree {
    nodes: Arc<[Node]>,
}

impl ServiceTree {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        Self { nodes: nodes.into() }
    }

    /// Returns how each service and supervisor is now, in the order in which they were added.
    pub fn look(&self) -> Vec<ServiceView> {
        self.nodes.iter().map(Node::view).collect()
    }
}

impl fmt::Debug for ServiceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.nodes.iter().map(|node| node.record.status().service).collect();
        f.debug_tuple("ServiceTree").field(&names).finish()
    }
}

/// How a service or a supervisor is at one moment, with all beneath it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceView {
    /// The status.
    pub status: ServiceStatus,
    /// The children that are restarted together; `None` for a service.
    pub strategy: Option<Strategy>,
    /// The names of the services that have to run before it.
    pub needs: Vec<Name>,
    /// The restarts that are left: of a service its own, of a supervisor those of all its children together. `None` before it
    /// was started.
    pub budget: Option<BudgetLeft>,
    /// The last 32 changes of its state, the oldest first. The errors of those to
    /// [`Restarting`](crate::ServiceState::Restarting) say why it was restarted.
    pub changes: Vec<ServiceChange>,
    /// How many changes came before those.
    pub changes_before: u64,
    /// The children of a supervisor, in the order in which they were added.
    pub children: Vec<Self>,
}
