//! Tasks, a bus, and what was heard of their ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AsReturned, Job, JobStatus, Task, TaskFailed, TaskTerms, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Base;
use crate::transports::outbox::{LONG, until};

/// Is tried twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Register {
    pub(super) id: u64,
}

impl Task for Register {
    type Succeeds = AsReturned;
    type Fails = RegistrationFailed;
    const NAME: &'static str = "Register";
    const TERMS: TaskTerms = TaskTerms::new()
        .attempts(2)
        .waits(Duration::from_millis(1), Duration::from_millis(5))
        .timeout(Duration::from_secs(20));

    fn id(&self) -> Option<Value> {
        Some(self.id.into())
    }

    /// Of those above a thousand.
    fn unique_key(&self) -> Result<Option<String>, serde_json::Error> {
        Ok((self.id > 1_000).then(|| self.id.to_string()))
    }
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "users/registered")]
pub(super) struct Registered {
    pub(super) id: u64,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "users/registration_failed")]
pub(super) struct RegistrationFailed {
    pub(super) id: Value,
    pub(super) detail: String,
    pub(super) code: String,
}

/// One of a tenant, of whom two run at the same time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sweep {
    pub(super) tenant: u32,
    pub(super) place: u32,
}

impl Task for Sweep {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Sweep";
    const TERMS: TaskTerms = TaskTerms::new().at_once(2);

    fn limit_key(&self) -> Option<String> {
        Some(self.tenant.to_string())
    }
}

pub(super) struct Shop<B: Base> {
    pub(super) base: B,
    pub(super) bus: EventBus,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    _all: Subscription,
}

impl<B: Base> Shop<B> {
    pub(super) async fn new() -> Self {
        let (bus, heard) = (EventBus::default(), Arc::<Mutex<Vec<_>>>::default());
        let noted = heard.clone();
        let all = bus.on_topic("users/*", move |event: &JsonEvent, metadata: Metadata| {
            noted.lock().unwrap().push((metadata.event.to_string(), event.payload().clone()));
        });
        Self { base: B::new().await, bus, heard, _all: all.unwrap() }
    }

    /// What notes what is heard, for another bus.
    pub(super) fn noted(&self) -> impl Fn(&Metadata, &JsonEvent) + 'static {
        let noted = self.heard.clone();
        move |metadata, event| noted.lock().unwrap().push((metadata.event.to_string(), event.payload().clone()))
    }

    pub(super) fn tasks(&self) -> Tasks<B::Database> {
        Tasks::new(self.base.database(), &self.bus).poll_every(Duration::from_millis(10))
    }

    pub(super) fn heard(&self) -> Vec<(String, Value)> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until so many were heard.
    pub(super) async fn hears(&self, count: usize) -> Vec<(String, Value)> {
        until("it is heard", async || self.heard().len() >= count).await;
        self.heard()
    }
}

/// Waits for the end of a job, and looks how it is.
pub(super) async fn ended(job: &Job) -> JobStatus {
    let status = job.wait(LONG).await.unwrap().expect("it is kept");
    assert!(status.state().is_over(), "{status}");
    status
}

pub(super) async fn register(user: Arc<Register>) -> Result<Registered, std::io::Error> {
    Ok(Registered { id: user.id })
}
