//! What is done, what fails, and what a server cannot do: over each queue the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{DeadReason, ErrorKind, Publisher, Source};
use convoke::{Attempt, CancelToken, Cancelling, Fault, Steps, TaskError, TaskFailed, TaskSender, Tasks, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{Body, Queues, come_until, event, letter, open, unique};

/// How many jobs there are of those that are done.
const JOBS: u64 = 60;

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 3, first_wait = "20ms", longest_wait = "40ms", timeout = "1s")]
struct Register {
    id: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered")]
struct Registered {
    id: u64,
    attempt: u32,
}

pub(super) async fn all(server: &str, at: &str) {
    open(server, at, &unique("done"), Done).await;
    open(server, at, &unique("failed"), Failed).await;
    open(server, at, &unique("later"), Later).await;
    open(server, at, &unique("timed-out"), TimedOut).await;
    open(server, at, &unique("stopped"), Stopped).await;
    open(server, at, &unique("urgent"), Urgent).await;
    open(server, at, &unique("lacking"), Lacking).await;
}

/// Each job is done, what it returns is told once, and then the queue is empty.
struct Done;

impl Body for Done {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, dead: _, mut events }: Queues<Q>) {
        let bus = EventBus::default();
        let register = async |user: Arc<Register>, attempt: Attempt| match (user.id % 3, attempt.number()) {
            (0, 1) => Err("busy"),
            _ => Ok(Registered { id: user.id, attempt: attempt.number() }),
        };
        let tasks = Tasks::over(&jobs, &bus).on(register).unwrap().events_to(events.clone()).await.unwrap();
        let enqueued = TaskSender::to(&jobs).enqueue_all((0..JOBS - 1).map(|id| Register { id })).await;
        assert!(enqueued.iter().all(Result::is_ok), "{enqueued:?}");
        tasks.enqueue(Register { id: JOBS - 1 }).await.unwrap();
        events.open(50).await.unwrap();
        let told = come_until(&mut events, "all is told", |told| told.len() as u64 >= JOBS).await;
        let told: BTreeMap<_, _> = told
            .iter()
            .map(|packet| {
                let payload = event(packet).payload;
                (payload["id"].as_u64().unwrap(), payload["attempt"].as_u64().unwrap())
            })
            .collect();
        assert!(told.keys().copied().eq(0..JOBS), "{told:?}");
        assert!(told.iter().all(|(id, attempt)| *attempt >= if id % 3 == 0 { 2 } else { 1 }), "{told:?}");
        let report = tasks.stop().await.unwrap();
        assert!(report.drained && report.dead == 0, "{report}");
        events.close().await.unwrap();
    }
}

/// A failure is told after the last attempt, and the job is a dead letter.
struct Failed;

impl Body for Failed {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, mut dead, mut events }: Queues<Q>) {
        let bus = EventBus::default();
        let register = async |user: Arc<Register>, attempt: Attempt| -> Result<(), Fault> {
            let fault = Fault::new(format!("attempt {}", attempt.number())).code("no_line");
            Err(if user.id == 1 { fault.permanent() } else { fault })
        };
        let tasks = Tasks::over(&jobs, &bus).on(register).unwrap().events_to(events.clone()).await.unwrap();
        for id in [1, 2] {
            tasks.enqueue(Register { id }).await.unwrap();
        }
        events.open(50).await.unwrap();
        dead.open(50).await.unwrap();
        let told = come_until(&mut events, "both are told", |told| told.len() >= 2).await;
        let mut told: Vec<TaskFailed> =
            told.iter().map(|packet| serde_json::from_value(event(packet).payload).unwrap()).collect();
        told.sort_by_key(|failed| failed.id.as_u64());
        let said: Vec<_> = told.iter().map(|failed| (&*failed.task, &*failed.code, &*failed.detail)).collect();
        assert_eq!(said, [("Register", "no_line", "attempt 1"), ("Register", "no_line", "attempt 3")]);
        let letters = come_until(&mut dead, "both are dead letters", |letters| letters.len() >= 2).await;
        let mut letters: Vec<_> = letters.iter().map(|packet| (letter(packet).reason, letter(packet).errors)).collect();
        letters.sort_by(|(_, errors), (_, others)| errors.cmp(others));
        let [(first, one), (second, three)] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!((*first, *second), (DeadReason::Permanent, DeadReason::Exhausted));
        assert_eq!((one.join("; "), three.join("; ")), ("attempt 1".to_owned(), "attempt 3".to_owned()));
        tasks.stop().await.unwrap();
        events.close().await.unwrap();
        dead.close().await.unwrap();
    }
}

/// What is delayed is not done before.
struct Later;

impl Body for Later {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, mut events, .. }: Queues<Q>) {
        let bus = EventBus::default();
        let register = async |user: Arc<Register>, attempt: Attempt| {
            Ok::<_, Fault>(Registered { id: user.id, attempt: attempt.number() })
        };
        let tasks = Tasks::over(&jobs, &bus).on(register).unwrap().events_to(events.clone()).await.unwrap();
        let start = Instant::now();
        tasks.enqueue(Register { id: 1 }).after(Duration::from_secs(2)).await.unwrap();
        tasks.enqueue(Register { id: 2 }).await.unwrap();
        events.open(50).await.unwrap();
        let first = come_until(&mut events, "one is told", |told| !told.is_empty()).await;
        assert_eq!(event(&first[0]).payload["id"], 2);
        let later = come_until(&mut events, "the other is told", |told| !told.is_empty()).await;
        assert_eq!(event(&later[0]).payload["id"], 1);
        // Servers count by whole seconds.
        assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
        tasks.stop().await.unwrap();
        events.close().await.unwrap();
    }
}

/// A function that takes too long is told, dropped and tried again.
struct TimedOut;

impl Body for TimedOut {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, mut events, .. }: Queues<Q>) {
        let bus = EventBus::default();
        let register =
            async |user: Arc<Register>, attempt: Attempt, cancel: CancelToken| -> Result<Registered, Fault> {
                if attempt.number() == 1 {
                    assert_eq!(cancel.cancelled().await, Cancelling::TimedOut);
                    sleep(Duration::from_secs(3_600)).await;
                }
                Ok(Registered { id: user.id, attempt: attempt.number() })
            };
        let tasks = Tasks::over(&jobs, &bus).on(register).unwrap().grace(Duration::from_millis(100));
        let tasks = tasks.events_to(events.clone()).await.unwrap();
        tasks.enqueue(Register { id: 1 }).await.unwrap();
        events.open(50).await.unwrap();
        let told = come_until(&mut events, "it is told", |told| !told.is_empty()).await;
        assert_eq!((event(&told[0]).payload["id"].clone(), told.len()), (1.into(), 1));
        tasks.stop().await.unwrap();
        events.close().await.unwrap();
    }
}

/// What runs when its worker ends is given back, and done by another.
struct Stopped;

impl Body for Stopped {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, mut events, .. }: Queues<Q>) {
        let bus = EventBus::default();
        let told = Rc::new(RefCell::new(None));
        let noted = told.clone();
        let waits = async move |_: Arc<Clean>, cancel: CancelToken| -> Result<(), Fault> {
            *noted.borrow_mut() = Some(Cancelling::TimedOut);
            *noted.borrow_mut() = Some(cancel.cancelled().await);
            Ok(cancel.check()?)
        };
        let tasks =
            Tasks::over(&jobs, &bus).on(waits).unwrap().drain_timeout(Duration::from_millis(200)).await.unwrap();
        tasks.enqueue(Clean { of: 7 }).await.unwrap();
        while told.borrow().is_none() {
            sleep(Duration::from_millis(5)).await;
        }
        let report = tasks.stop().await.unwrap();
        assert_eq!(*told.borrow(), Some(Cancelling::Stopping), "{report}");
        let does = async |clean: Arc<Clean>| Ok::<_, Fault>(Registered { id: clean.of, attempt: 0 });
        let tasks = Tasks::over(&jobs, &bus).on(does).unwrap().events_to(events.clone()).await.unwrap();
        events.open(50).await.unwrap();
        let told = come_until(&mut events, "it is told", |told| !told.is_empty()).await;
        assert_eq!(event(&told[0]).payload["id"], 7);
        tasks.stop().await.unwrap();
        events.close().await.unwrap();
    }
}

#[derive(Task, Serialize, Deserialize)]
struct Clean {
    of: u64,
}

/// What is more urgent goes first, or is an error.
struct Urgent;

impl Body for Urgent {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, .. }: Queues<Q>) {
        let (bus, sender) = (EventBus::default(), TaskSender::to(&jobs));
        if Source::abilities(&jobs).priority == 0 {
            let error = sender.enqueue(Clean { of: 1 }).priority(3).await.unwrap_err();
            assert!(matches!(&error, TaskError::Transport(error) if error.kind() == ErrorKind::Unsupported), "{error}");
            assert!(error.to_string().contains("`Clean`: `priority`"), "{error}");
            return;
        }
        for of in 0..3 {
            sender.enqueue(Clean { of }).priority([-9, 0, 9][of as usize]).await.unwrap();
        }
        let order = Rc::new(RefCell::new(Vec::new()));
        let noted = order.clone();
        let clean = move |clean: &Clean| noted.borrow_mut().push(clean.of);
        let tasks = Tasks::over(&jobs, &bus).on(clean).unwrap().concurrency(1).prefetch(0).await.unwrap();
        while order.borrow().len() < 3 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(*order.borrow(), [2, 1, 0]);
        tasks.stop().await.unwrap();
    }
}

#[derive(Task, Serialize, Deserialize)]
#[task(unique(id), per_key(id, at_once = 1))]
struct Only {
    id: u64,
}

/// What only a database has is an error before anything is done, and a delay that is too long one of who enqueues.
struct Lacking;

impl Body for Lacking {
    async fn run<Q: Source + Publisher + Clone>(self, Queues { jobs, .. }: Queues<Q>) {
        let bus = EventBus::default();
        let tasks = Tasks::over(&jobs, &bus).on(async |_: Arc<Only>, _: Steps| {}).unwrap();
        let error = match tasks.await.unwrap_err() {
            WorkerError::Transport(error) => error,
            other => panic!("{other}"),
        };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("`Only`: `unique`, `per_key`, the argument `Steps`;"), "{error}");
        let sender = TaskSender::to(&jobs);
        let error = sender.enqueue(Only { id: 1 }).await.unwrap_err();
        assert!(error.to_string().contains("`Only`: `unique`, `per_key`;"), "{error}");
        let longest = Publisher::abilities(&jobs).delay.unwrap();
        if let Some(longer) = longest.checked_add(Duration::from_secs(1)) {
            let error = sender.enqueue(Clean { of: 1 }).after(longer).await.unwrap_err();
            let text = format!("it cannot hold a packet back for {longer:?}, only for {longest:?}");
            assert!(error.to_string().contains(&text), "{error}");
        }
    }
}
