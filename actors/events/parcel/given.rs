//! What whoever emits says about all that he emits.

use std::sync::Arc;

use uuid::Uuid;

use crate::events::event::{Secret, TraceContext};

/// What whoever emits says about all that he emits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) publisher: Arc<str>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) correlation: Option<Uuid>,
    pub(crate) causation: Option<Uuid>,
    pub(crate) authorization: Secret,
}
