//! One call of one listener, as a middleware sees it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::events::event::{Event, Metadata};
use crate::events::parcel::AnyParcel;
use crate::events::verdict::{Sign, SubscriptionId};

/// One call of one listener with one event.
#[derive(Clone)]
pub struct Call {
    parcel: Arc<dyn AnyParcel>,
    sign: Arc<Sign>,
    /// The bus's hub, of which nobody here knows more.
    hub: Arc<dyn Any + Send + Sync>,
}

impl Call {
    pub(crate) fn new(parcel: Arc<dyn AnyParcel>, sign: Arc<Sign>, hub: Arc<dyn Any + Send + Sync>) -> Self {
        Self { parcel, sign, hub }
    }

    /// By what its listener is known.
    pub(super) fn sign(&self) -> &Arc<Sign> {
        &self.sign
    }

    /// The bus's hub.
    pub(crate) fn hub(&self) -> &Arc<dyn Any + Send + Sync> {
        &self.hub
    }

    /// Returns the name of the listener.
    pub fn listener(&self) -> &str {
        &self.sign.name
    }

    /// Returns the id of the listener's registration. Unlike the name, the id is unique within the bus.
    pub fn subscription(&self) -> SubscriptionId {
        self.sign.id
    }

    /// Returns the event's name.
    pub fn event_name(&self) -> String {
        self.parcel.name().to_string()
    }

    /// Returns the topic on which the event travels.
    pub fn topic(&self) -> String {
        self.parcel.topic().to_string()
    }

    /// Returns the metadata of the event.
    pub fn metadata(&self) -> &Metadata {
        self.parcel.metadata()
    }

    /// Returns the event, if it is of type `E`.
    pub fn event<E: Event>(&self) -> Option<Arc<E>> {
        self.parcel.event().downcast().ok()
    }

    /// Returns the event as JSON, or `None` for a local event. Personal data is not hidden in the returned value.
    pub fn payload(&self) -> Option<Value> {
        self.parcel.clone().json().ok().map(|json| json.event.payload().clone())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("listener", &self.sign.name)
            .field("event", &self.parcel.name())
            .finish_non_exhaustive()
    }
}
