//! What a middleware reads in a failure that it hands on.
//!
//! `Failure → Verdict → Failure`

use std::fmt;

use super::super::Handling;
use super::authorize::Unauthorized;
use super::circuit::CircuitOpen;
use crate::base::{Failure, Handled};
use crate::events::verdict::{ListenerError, Permanent};

/// A failure, and what it says.
pub(super) struct Verdict {
    pub(super) error: ListenerError,
    /// Whether to ask again at once would be answered the same.
    pub(super) is_final: bool,
    /// As it came.
    pub(super) failure: Failure,
}

impl Verdict {
    pub(super) fn of(failure: Failure) -> Self {
        let inner = failure.into_inner();
        let refused = inner.is::<Unauthorized>() || inner.is::<CircuitOpen>();
        let known = inner.downcast_ref::<ListenerError>().cloned();
        let permanent = inner.is::<Permanent>();
        let failure = Failure::from(inner);
        let unknown = if permanent { ListenerError::Permanent } else { ListenerError::Failed };
        let error = known.unwrap_or_else(|| unknown(failure.chain()));
        let is_final = refused
            || matches!(error, ListenerError::BadPayload(_) | ListenerError::Permanent(_) | ListenerError::Gone);
        Self { error, is_final, failure }
    }
}

/// Hands on how a run ends, after a look at its error, if it has one.
pub(super) async fn watched(run: Handling, look: impl FnOnce(Option<&ListenerError>)) -> Handled {
    match run.await {
        Ok(()) => {
            look(None);
            Ok(())
        }
        Err(failure) => {
            let verdict = Verdict::of(failure);
            look(Some(&verdict.error));
            Err(verdict.failure)
        }
    }
}

/// Which errors a middleware looks at.
pub(super) struct Which(Box<dyn Fn(&ListenerError) -> bool + Send + Sync>);

impl Which {
    pub(super) fn new(condition: impl Fn(&ListenerError) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(condition))
    }

    pub(super) fn holds(&self, error: &ListenerError) -> bool {
        (self.0)(error)
    }
}

impl Default for Which {
    fn default() -> Self {
        Self::new(|_| true)
    }
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Which")
    }
}
