//! A service as a line of a table.

use convoke::{BudgetLeft, ServiceState, ServiceView, Strategy};

use crate::frame::{Age, Ago, Figure, link, shown, told};

/// As deep as a tree is shown: what is deeper stands there too.
const DEEPEST: usize = 6;

/// A service or a supervisor.
pub(super) struct Row {
    pub(super) depth: usize,
    pub(super) name: String,
    pub(super) link: String,
    pub(super) kind: &'static str,
    pub(super) state: String,
    pub(super) class: &'static str,
    pub(super) since: Ago,
    pub(super) restarts: Figure,
    pub(super) errors: Figure,
    pub(super) budget: String,
    pub(super) error: String,
}

impl Row {
    pub(super) fn of(view: &ServiceView, depth: usize, base: &str) -> Self {
        let status = &view.status;
        Self {
            depth: depth.min(DEEPEST),
            name: shown(&status.service),
            link: link(&format!("{base}/services/of"), &[("name", &shown(&status.service))]),
            kind: kind(view.strategy),
            state: status.state.to_string(),
            class: class(status.state),
            since: Ago::of(Some(status.since)),
            restarts: Figure::of(status.restarts.into()),
            errors: Figure::of(status.errors),
            budget: left(view.budget),
            error: status.error.as_deref().map(told).unwrap_or_default(),
        }
    }

    /// A tree as lines, of which it takes those that are wanted, and those above them.
    pub(super) fn add(
        view: &ServiceView,
        depth: usize,
        base: &str,
        wanted: &dyn Fn(&ServiceView) -> bool,
        to: &mut Vec<Self>,
    ) {
        if !any(view, wanted) {
            return;
        }
        to.push(Self::of(view, depth, base));
        view.children.iter().for_each(|child| Self::add(child, depth + 1, base, wanted, to));
    }
}

/// Whether this or anything beneath it is wanted.
fn any(view: &ServiceView, wanted: &dyn Fn(&ServiceView) -> bool) -> bool {
    wanted(view) || view.children.iter().any(|child| any(child, wanted))
}

pub(super) fn kind(strategy: Option<Strategy>) -> &'static str {
    match strategy {
        None => "service",
        Some(Strategy::OneForOne) => "supervisor, one for one",
        Some(Strategy::OneForAll) => "supervisor, one for all",
        Some(Strategy::RestForOne) => "supervisor, rest for one",
    }
}

/// By what a state is colored.
pub(super) fn class(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Running => "good",
        ServiceState::Failed => "bad",
        ServiceState::Degraded | ServiceState::Restarting => "warn",
        ServiceState::Starting | ServiceState::Stopping | ServiceState::Stopped => "calm",
    }
}

/// The restarts that are left, in words.
pub(super) fn left(budget: Option<BudgetLeft>) -> String {
    match budget {
        None => "–".to_owned(),
        Some(budget) => format!("{} of {} within {}", budget.left, budget.restarts, Age(Some(budget.within))),
    }
}
