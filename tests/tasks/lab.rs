//! A database, a bus, tasks of a few kinds, and what was heard of their ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{AsReturned, Fault, JobStatus, Task, TaskFailed, TaskTerms, Tasks};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Register {
    pub(super) id: u64,
}

impl Task for Register {
    type Succeeds = AsReturned;
    type Fails = RegistrationFailed;
    const NAME: &'static str = "Register";
    const TERMS: TaskTerms = TaskTerms::new().attempts(3).timeout(Duration::from_secs(30));

    fn id(&self) -> Option<Value> {
        Some(self.id.into())
    }

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
    pub(super) id: u64,
    pub(super) detail: String,
    pub(super) code: String,
    pub(super) origin: Option<String>,
    pub(super) data: Value,
}

/// One of a tenant, of whom two run at the same time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sweep {
    pub(super) tenant: u32,
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

/// What was heard, in its order: the name of each event, and its payload.
#[derive(Clone, Default)]
pub(super) struct Heard(Rc<RefCell<Vec<(String, Value)>>>);

impl Heard {
    pub(super) fn names(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn only(&self) -> Value {
        let heard = self.0.borrow();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard[0].1.clone()
    }
}

pub(super) struct Lab {
    pub(super) db: MemoryDatabase,
    pub(super) bus: EventBus,
    pub(super) heard: Heard,
    _all: Subscription,
}

impl Lab {
    pub(super) fn new() -> Self {
        let bus = EventBus::default();
        let heard = Heard::default();
        let all = {
            let heard = heard.0.clone();
            bus.on_topic("**", move |event: &JsonEvent, metadata: Metadata| {
                if event.topic() != "service/status" {
                    heard.borrow_mut().push((metadata.event.to_string(), event.payload().clone()));
                }
            })
        };
        Self { db: Memory::database(), bus, heard, _all: all.unwrap() }
    }

    pub(super) fn tasks(&self) -> Tasks<MemoryDatabase> {
        Tasks::new(&self.db, &self.bus)
    }
}

/// Waits for the end of a job, and looks how it is.
pub(super) async fn ended(job: &convoke::Job) -> JobStatus {
    let status = job.wait(24 * 60 * MINUTE).await.unwrap().expect("it is kept");
    assert!(status.state().is_over(), "{status}");
    crate::common::settled().await;
    status
}

pub(super) fn failing(text: &'static str) -> impl AsyncFn(std::sync::Arc<Register>) -> Result<Registered, Fault> {
    async move |_| Err(Fault::new(text).origin("crm").data(json!({"tries": 1})))
}
