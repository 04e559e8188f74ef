//! Those who hear an emission on other arbiters, for whom it is waited up to their deadlines.

use std::sync::Arc;
use std::time::Instant;

use super::parcel::AnyParcel;
use crate::runtime::{self, Alarm, drop_quietly};

/// The listeners of an emission on other arbiters.
pub(crate) struct Away {
    pub(crate) since: Instant,
    /// Absent when there is nobody left to wait for.
    pub(crate) parcel: Option<Arc<dyn AnyParcel>>,
    pub(crate) alarm: Option<Alarm>,
}

impl Away {
    pub(crate) fn new(parcel: Arc<dyn AnyParcel>) -> Self {
        Self { since: runtime::real_now(), parcel: Some(parcel), alarm: None }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // It may be the last of the event, whose `Drop` is the user's.
        drop_quietly(self.parcel.take());
    }
}
