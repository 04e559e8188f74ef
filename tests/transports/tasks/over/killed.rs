//! Workers in processes that are killed, and a job that kills them: done again, told at least once, and failed in the end.
//!
//! `enqueue → a process with Tasks::over ─ kill -9, or abort in the function → the next process → … → events, dead letters`

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{DeadReason, Publisher, Source};
use convoke::{Fault, TaskSender, Tasks};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{Body, FOREVER, Queues, come, event, letter, open, unique};

/// What the inner process is told: server, where it is, the queue.
const INNER: &str = "CONVOKE_TEST_TASKS_OVER";

/// How many jobs there are, which of them kills its process, and how often a process is killed.
const JOBS: u64 = 40;
const POISON: u64 = 13;
const KILLS: usize = 6;
const ALL_KILLS: usize = 60;

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 3, first_wait = "50ms", longest_wait = "100ms")]
struct Poisonous {
    id: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 10000, first_wait = "50ms", longest_wait = "100ms")]
struct Hardy {
    id: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "tasks_over/was_done")]
struct WasDone {
    id: u64,
}

/// What the inner process does: it does jobs until it is killed, or dies of one. In the outer process it is nothing.
#[test]
fn inner() {
    let Ok(told) = std::env::var(INNER) else { return };
    let [server, at, name] = &told.split('\n').collect::<Vec<_>>()[..] else { panic!("{told}") };
    actix::System::new().block_on(open(server, at, name, Works));
}

struct Works;

impl Body for Works {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, events, .. }: Queues<Q>) {
        let bus = EventBus::default();
        let poisonous = async |job: Arc<Poisonous>| -> Result<WasDone, Fault> {
            sleep(Duration::from_millis(20)).await;
            if job.id == POISON {
                std::process::abort();
            }
            Ok(WasDone { id: job.id })
        };
        let hardy = async |job: Arc<Hardy>| {
            sleep(Duration::from_millis(job.id % 7 * 5)).await;
            Ok::<_, Fault>(WasDone { id: job.id })
        };
        let tasks = Tasks::over(&jobs, &bus).on(poisonous).unwrap().on(hardy).unwrap();
        tasks.concurrency(4).events_to(events).run_until(std::future::pending()).await.unwrap();
    }
}

/// A process that does jobs; dropped, it is killed as `kill -9` does.
struct Inner(Child);

impl Inner {
    fn start(told: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "transports::tasks::over::killed::inner", "--nocapture"]).env(INNER, told);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) async fn all(server: &str, at: &str) {
    let name = unique("poisoned");
    let told = [server, at, &name].join("\n");
    open(server, at, &name, Poisoned { server: server.to_owned(), told }).await;
    let name = unique("killed");
    let told = [server, at, &name].join("\n");
    open(server, at, &name, Killed { server: server.to_owned(), told }).await;
}

/// A job that kills its process has failed after its attempts, and the others are done.
struct Poisoned {
    server: String,
    told: String,
}

impl Body for Poisoned {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, mut dead, mut events }: Queues<Q>) {
        let ids = 0..JOBS / 2;
        for taken in TaskSender::to(&jobs).enqueue_all(ids.clone().map(|id| Poisonous { id })).await {
            taken.unwrap();
        }
        events.open(50).await.unwrap();
        dead.open(50).await.unwrap();
        let end = Instant::now() + FOREVER;
        let (mut deaths, mut done, mut failed, mut letters) =
            (0, BTreeMap::<_, BTreeSet<_>>::new(), Vec::new(), Vec::new());
        let mut inner = Inner::start(&self.told);
        while done.len() as u64 + 1 < JOBS / 2 || failed.is_empty() || letters.is_empty() {
            assert!(Instant::now() < end, "{}: {deaths} deaths, done {done:?}, failed {failed:?}", self.server);
            for packet in come(&mut events).await {
                let envelope = event(&packet);
                match &*envelope.metadata.event.to_string() {
                    "WasDone" => {
                        let id = envelope.payload["id"].as_u64().unwrap();
                        done.entry(id).or_default().insert(envelope.metadata.id);
                    }
                    _ => failed.push(envelope.payload),
                }
            }
            letters.extend(come(&mut dead).await.iter().map(letter));
            if let Some(status) = inner.0.try_wait().unwrap() {
                assert!(!status.success());
                deaths += 1;
                inner = Inner::start(&self.told);
            }
        }
        drop(inner);
        let case = format!("{}: {deaths} deaths, done {done:?}, failed {failed:?}, letters {letters:?}", self.server);
        assert!(done.keys().copied().eq(ids.filter(|id| *id != POISON)), "{case}");
        assert!(done.values().all(|ids| ids.len() == 1), "copies of an end have one id: {case}");
        assert_eq!(failed.len(), 1, "{case}");
        assert_eq!((failed[0]["id"].clone(), failed[0]["code"].as_str()), (POISON.into(), Some("crashed")), "{case}");
        assert_eq!((letters.len(), letters[0].reason), (1, DeadReason::Exhausted), "{case}");
        println!(
            "figure: tasks over {}: after {deaths} deaths the poison has failed as crashed, and {} others are done",
            self.server,
            done.len()
        );
        events.close().await.unwrap();
        dead.close().await.unwrap();
    }
}

/// Whatever is killed when, each job is done and told at least once, by one id.
struct Killed {
    server: String,
    told: String,
}

impl Body for Killed {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, mut dead, mut events }: Queues<Q>) {
        let kills = if std::env::var_os("CONVOKE_FULL").is_some() { ALL_KILLS } else { KILLS };
        let sender = TaskSender::to(&jobs);
        events.open(50).await.unwrap();
        dead.open(50).await.unwrap();
        let (end, mut enqueued, mut told) = (Instant::now() + FOREVER, 0, BTreeMap::<u64, Vec<_>>::new());
        let mut note = |packets: Vec<convoke::transport::Packet>| {
            for packet in packets {
                let envelope = event(&packet);
                assert_eq!(envelope.metadata.event.to_string(), "WasDone");
                told.entry(envelope.payload["id"].as_u64().unwrap()).or_default().push(envelope.metadata.id);
            }
            told.len()
        };
        for kill in 0..kills {
            for taken in sender.enqueue_all((enqueued..enqueued + JOBS).map(|id| Hardy { id })).await {
                taken.unwrap();
            }
            enqueued += JOBS;
            let inner = Inner::start(&self.told);
            let before = note(Vec::new());
            // Some while they begin, and some after they have told of several jobs.
            if kill % 3 == 2 {
                sleep(Duration::from_millis(40 * kill as u64 % 300)).await;
            } else {
                while note(come(&mut events).await) < before + 1 + kill {
                    assert!(Instant::now() < end, "{}: nothing is told", self.server);
                }
            }
            drop(inner);
        }
        let inner = Inner::start(&self.told);
        while (note(come(&mut events).await) as u64) < enqueued {
            assert!(Instant::now() < end, "{}: {} of {enqueued} are told", self.server, note(Vec::new()));
        }
        drop(inner);
        assert!(told.keys().copied().eq(0..enqueued));
        assert!(told.values().all(|ids| ids.iter().all(|id| *id == ids[0])), "copies of an end have one id");
        assert!(come(&mut dead).await.is_empty(), "a kill is no failure of the job's");
        let twice = told.values().filter(|ids| ids.len() > 1).count();
        println!(
            "figure: tasks over {}: {kills} workers killed, {enqueued} jobs, none lost, {twice} told more than once by the same id",
            self.server
        );
        events.close().await.unwrap();
        dead.close().await.unwrap();
    }
}
