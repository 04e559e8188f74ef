//! By what a listener is known: its name, and the id of its registration.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// The id of a registration, unique within its bus. The first id of a bus is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub(crate) u64);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// By what one registration is known: whoever speaks of it needs no more of it.
#[derive(Debug)]
pub(crate) struct Sign {
    pub(crate) id: SubscriptionId,
    pub(crate) name: Arc<str>,
}
