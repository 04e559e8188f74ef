//! How a job ends, and the event that says so.

use std::sync::Arc;

use convoke::prelude::*;
use convoke::transport::MemoryDatabase;
use convoke::{Inject, JobState, Services, Tx};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lab::{Lab, MINUTE, Register, Registered, ended};
use crate::common::settled;

async fn register(user: Arc<Register>) -> std::io::Result<Registered> {
    Ok(Registered { id: user.id })
}

#[convoke::test]
async fn what_a_function_returns_is_heard_and_is_the_result_of_its_job() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    assert!(job.is_new());
    let status = ended(&job).await;
    assert_eq!((status.state(), status.attempt()), (JobState::Done, 1));
    assert_eq!(status.result::<Registered>().unwrap(), Some(Registered { id: 7 }));
    assert_eq!(lab.heard.names(), ["Registered"]);
    assert_eq!(lab.heard.only(), json!({"id": 7}));
    tasks.stop().await;
}

#[convoke::test]
async fn a_job_that_was_enqueued_before_waits_for_who_does_it() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let job = queue.enqueue(Register { id: 7 }).await.unwrap();
    assert_eq!(job.status().await.unwrap().unwrap().state(), JobState::Waiting);
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
}

#[convoke::test]
async fn functions_may_be_sync_return_nothing_and_take_a_reference() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(|user: &Register| assert_eq!(user.id, 7)).unwrap().await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let status = ended(&job).await;
    assert_eq!((status.state(), status.result::<Registered>().unwrap()), (JobState::Done, None));
    assert!(lab.heard.names().is_empty());
    tasks.stop().await;
}

/// An event that is made of what the function returns.
mod models {
    use super::*;
    use convoke::{Task, TaskFailed};

    struct User {
        id: u64,
    }

    #[derive(Serialize, Deserialize)]
    struct Load {
        id: u64,
    }

    impl Task for Load {
        type Succeeds = Loaded;
        type Fails = TaskFailed;
        const NAME: &'static str = "Load";
    }

    #[derive(Event, Serialize, Deserialize)]
    struct Loaded {
        id: u64,
    }

    impl From<&User> for Loaded {
        fn from(user: &User) -> Self {
            Self { id: user.id }
        }
    }

    #[convoke::test]
    async fn the_event_of_a_task_is_made_of_the_model_that_its_function_returns() {
        let lab = Lab::new();
        let load = async |load: Arc<Load>| Ok::<_, std::io::Error>(User { id: load.id });
        let tasks = lab.tasks().on(load).unwrap().await.unwrap();
        let job = tasks.enqueue(Load { id: 7 }).await.unwrap();
        ended(&job).await;
        assert_eq!((lab.heard.names(), lab.heard.only()), (vec!["Loaded".to_owned()], json!({"id": 7})));
        tasks.stop().await;
    }
}

#[derive(Clone, Default)]
struct Ledger(Arc<std::sync::Mutex<Vec<u64>>>);

impl Ledger {
    fn lines(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

async fn book(user: Arc<Register>, mut tx: Tx<MemoryDatabase>, ledger: Inject<Ledger>) -> Result<Registered, Failure> {
    let (lines, id) = (ledger.0.clone(), user.id);
    tx.begin().await?.on_commit(move || lines.lock().unwrap().push(id));
    if user.id == 13 {
        return Err(Failure::new("an unlucky number"));
    }
    Ok(Registered { id })
}

#[convoke::test]
async fn what_a_function_writes_commits_with_its_end_or_not_at_all() {
    let mut lab = Lab::new();
    let ledger = Ledger::default();
    lab.bus = EventBus::builder().provide(ledger.clone()).build();
    let tasks = lab.tasks().on(book).unwrap().await.unwrap();
    let good = tasks.enqueue(Register { id: 7 }).await.unwrap();
    let bad = tasks.enqueue(Register { id: 13 }).await.unwrap();
    assert_eq!(ended(&good).await.state(), JobState::Done);
    assert_eq!(ended(&bad).await.state(), JobState::Failed);
    assert_eq!(ledger.lines(), [7]);
    tasks.stop().await;
}

#[convoke::test]
async fn events_go_into_the_outbox_of_the_application_if_there_is_one() {
    let lab = Lab::new();
    let outbox = lab.db.outbox("Shop").await.unwrap();
    let tasks = lab.tasks().on(register).unwrap().outbox(&outbox).await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    ended(&job).await;
    assert_eq!(outbox.figures().await.unwrap().ready, 1);
    assert!(lab.heard.names().is_empty());
    tasks.stop().await;
}

#[convoke::test]
async fn what_has_ended_is_kept_for_a_while() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(register).unwrap().keep(10 * MINUTE).await.unwrap();
    let job = tasks.enqueue(Register { id: 7 }).await.unwrap();
    ended(&job).await;
    tokio::time::sleep(9 * MINUTE).await;
    assert!(job.status().await.unwrap().is_some());
    tokio::time::sleep(2 * MINUTE).await;
    assert!(job.status().await.unwrap().is_none());
    tasks.stop().await;
}

#[convoke::test]
async fn tasks_are_a_service_of_the_application() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(register).unwrap();
    let probe = tasks.probe();
    assert!(probe.health().ended);
    let services = Services::new(&lab.bus).add(tasks).await.unwrap();
    assert_eq!(services.statuses()[0].to_string(), "Tasks is running");
    assert!(probe.health().healthy, "{}", probe.health());
    let queue = lab.db.tasks().await.unwrap();
    let job = queue.enqueue(Register { id: 7 }).await.unwrap();
    settled().await;
    ended(&job).await;
    assert!(services.shutdown().await.is_clean());
    assert!(probe.health().ended);
}

#[convoke::test]
async fn what_is_enqueued_within_a_call_continues_what_it_belongs_to() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let ids = Arc::new(std::sync::Mutex::new(Vec::new()));
    let _heard = {
        let ids = ids.clone();
        lab.bus.on(move |_: &Registered, metadata: Metadata| ids.lock().unwrap().push(metadata.correlation)).unwrap()
    };
    let _asks = {
        let ids = ids.clone();
        lab.bus
            .on_topic("users/new", async move |_: Arc<JsonEvent>, metadata: Metadata| {
                ids.lock().unwrap().push(metadata.correlation);
                queue.enqueue(Register { id: 7 }).await.map(drop)
            })
            .unwrap()
    };
    lab.bus.emit_json("users/new", json!({})).unwrap().await.ok().unwrap();
    tokio::time::sleep(MINUTE).await;
    let ids = ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    tasks.stop().await;
}
