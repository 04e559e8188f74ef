//! A durable round as a page shows it.

use convoke::{DurableRound, DurableState};

use crate::frame::{Ago, Bar, link, shown, told};

/// As many parties are named.
const NAMED: usize = 30;

/// A round.
pub(super) struct RoundSeen {
    pub(super) number: u64,
    pub(super) link: String,
    pub(super) key: String,
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    /// Why it was cancelled, or cannot be decided.
    pub(super) reason: Option<String>,
    pub(super) is_open: bool,
    pub(super) opened: Ago,
    pub(super) due: Ago,
    pub(super) kept: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) bar: Option<Bar>,
    pub(super) release: Option<String>,
    pub(super) aborted_by: String,
}

impl RoundSeen {
    pub(super) fn of(round: &DurableRound, place: &str, broker: &str) -> Self {
        let (state, class, reason) = match &round.state {
            DurableState::Awaited => ("awaited", "", None),
            DurableState::Open => ("open", "", None),
            DurableState::Aside(why) => ("aside", "bad", Some(told(why))),
            DurableState::Resolved => ("resolved", "good", None),
            DurableState::Cancelled(why) => ("cancelled", "warn", Some(told(why))),
            _ => ("unknown", "", None),
        };
        let number = round.round.get();
        let known = round.kept.len() + round.missing.len();
        #[expect(clippy::cast_precision_loss, reason = "a part of a drawing")]
        let bar = (known > 0).then(|| Bar { part: round.kept.len() as f64 / known as f64 });
        Self {
            number,
            link: link(&format!("{place}/round"), &[("broker", broker), ("round", &number.to_string())]),
            key: round.key.as_ref().map_or_else(|| "–".to_owned(), |key| shown(&key.to_string())),
            state,
            class,
            reason,
            is_open: matches!(state, "awaited" | "open" | "aside"),
            opened: Ago::of(Some(round.opened)),
            due: Ago::of(Some(round.due)),
            kept: names(&round.kept),
            missing: names(&round.missing),
            bar,
            release: round.release.as_deref().map(told),
            aborted_by: names(&round.aborted_by).join(", "),
        }
    }
}

fn names(names: &[std::sync::Arc<str>]) -> Vec<String> {
    let mut named: Vec<String> = names.iter().take(NAMED).map(|name| shown(name)).collect();
    if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named
}
