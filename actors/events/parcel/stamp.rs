//! An event that leaves without a bus: what is known of it is the same as if a bus had emitted it.
//!
//! `an event → Stamp → Metadata, payload → an outbox`

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::given::Given;
use super::parcel::Parcel;
use super::within::current;
use crate::events::event::{Metadata, Secret, Subject, TraceContext};

/// What is said of all events that leave by one handle.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Stamp(Arc<Given>);

/// Why an event does not leave.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unstamped {
    /// It is local, or a question.
    Local,
    /// It has come from another process.
    Foreign,
    /// It cannot become JSON, for this reason.
    NotJson(String),
}

impl Stamp {
    pub fn of(publisher: &str) -> Self {
        Self(Arc::new(Given { publisher: publisher.into(), ..Given::default() }))
    }

    pub fn publisher(&self) -> &Arc<str> {
        &self.0.publisher
    }

    #[must_use]
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        self.with(|given| given.trace = Some(trace))
    }

    #[must_use]
    pub fn with_correlation(&self, id: Uuid) -> Self {
        self.with(|given| given.correlation = Some(id))
    }

    #[must_use]
    pub fn with_causation(&self, id: Uuid) -> Self {
        self.with(|given| given.causation = Some(id))
    }

    #[must_use]
    pub fn with_authorization(&self, token: Secret) -> Self {
        self.with(|given| given.authorization = token)
    }

    fn with(&self, change: impl FnOnce(&mut Given)) -> Self {
        let mut given = (*self.0).clone();
        change(&mut given);
        Self(Arc::new(given))
    }

    /// Returns the metadata and the payload of an event that is published now; within a call of a listener, the event that
    /// is heard is its cause.
    ///
    /// # Errors
    ///
    /// If it does not leave.
    pub fn press<S: Subject>(&self, event: S) -> Result<(Metadata, Value), Unstamped> {
        if !event.has_json() {
            return Err(Unstamped::Local);
        }
        if event.came_with().is_some() {
            return Err(Unstamped::Foreign);
        }
        let parcel = Parcel::new(Arc::new(event), current(), Some(&self.0));
        parcel.into_json().map_err(|error| Unstamped::NotJson(error.to_string()))
    }
}
