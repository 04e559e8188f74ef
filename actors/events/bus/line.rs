//! What a handle of a bus is made of.

use std::sync::Arc;

use crate::events::hub::{Hub, Open};
use crate::events::parcel::Given;

/// What a handle is made of, behind one count: an emission takes it along.
pub(crate) struct Line {
    pub(crate) hub: Arc<Hub>,
    pub(crate) given: Arc<Given>,
    pub(crate) open: Arc<Open>,
}
