//! How a worker says that it is, when something keeps it from its work.

use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::lab::{Lab, MINUTE, Register, Registered};

const SECOND: Duration = Duration::from_secs(1);

const EVENTS: u64 = 60;

async fn register(user: Arc<Register>) -> Result<Registered, std::io::Error> {
    Ok(Registered { id: user.id })
}

#[convoke::test]
async fn a_worker_that_cannot_settle_what_has_ended_is_unhealthy_after_25_s() {
    let lab = Lab::new();
    let outbox = lab.db.outbox("Shop").ordered_by(|_| Some("one".to_owned())).await.unwrap();
    let tasks = lab.tasks().outbox(&outbox).on(register).unwrap().await.unwrap();
    let probe = tasks.probe();
    // Somebody's transaction, which stays open, has the key of what tells how jobs have ended.
    let mut transaction = lab.db.begin().await.unwrap();
    outbox.publish(&mut transaction, Registered { id: 0 }).await.unwrap();
    let (start, mut jobs) = (Instant::now(), 0);
    while probe.health().healthy {
        assert!(start.elapsed() < 30 * SECOND, "{}", probe.health());
        jobs += 1;
        let _ = tasks.enqueue(Register { id: jobs }).await.unwrap();
        sleep(SECOND).await;
    }
    let health = probe.health();
    assert!(start.elapsed() >= 25 * SECOND, "{:?}", start.elapsed());
    assert_eq!((health.lent, health.settled, health.connected), (jobs, 0, false));
    assert!(health.trouble.is_some() && health.to_string().contains("settles nothing"), "{health}");
    sleep(2 * SECOND).await;
    transaction.rollback().await.unwrap();
    sleep(10 * SECOND).await;
    let health = probe.health();
    assert!(health.healthy && health.connected, "{health}");
    assert_eq!((health.settled, outbox.figures().await.unwrap().ready), (jobs, jobs));
    tasks.stop().await;
}

#[convoke::test(allow_failures)]
async fn a_worker_whose_events_are_not_heard_in_time_says_so() {
    let lab = Lab::new();
    // It is given up after half a minute each time.
    let _slow = lab.bus.on(async |_: Arc<Registered>| sleep(5 * MINUTE).await).unwrap();
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let probe = tasks.probe();
    // More than the relay tells side by side.
    for id in 1..=EVENTS {
        let _ = tasks.enqueue(Register { id }).await.unwrap();
    }
    let start = Instant::now();
    while probe.health().healthy {
        assert!(start.elapsed() < 2 * MINUTE, "{}", probe.health());
        sleep(SECOND).await;
    }
    let health = probe.health();
    assert!(health.relay.as_ref().is_some_and(|relay| relay.lag > MINUTE && !relay.healthy), "{health:?}");
    assert!(health.connected, "{health:?}");
    assert!(health.to_string().contains("does not tell how jobs have ended"), "{health}");
    assert_eq!(health.settled, EVENTS, "it has done them");
    sleep(120 * MINUTE).await;
    assert!(probe.health().healthy, "{}", probe.health());
    assert_eq!(lab.heard.names().len() as u64, EVENTS, "each is heard once");
    sleep(5 * MINUTE).await;
    tasks.stop().await;
}

/// Has no function.
#[derive(Task, Serialize, Deserialize)]
struct Import {}

#[convoke::test]
async fn jobs_that_nobody_does_are_named() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let probe = tasks.probe();
    let job = tasks.enqueue(Import {}).await.unwrap();
    let _later = tasks.enqueue(Import {}).after(60 * MINUTE).await.unwrap();
    for _ in 0..60 {
        sleep(SECOND).await;
        assert!(probe.health().unclaimed.is_empty(), "whoever does them may be starting");
    }
    sleep(40 * SECOND).await;
    let health = probe.health();
    let [unclaimed] = &health.unclaimed[..] else { panic!("{health:?}") };
    assert!(unclaimed.starts_with("`Import` in the queue `default`, due for "), "{unclaimed}");
    assert!(health.healthy && health.to_string().contains("is working; nobody seems to do `Import`"), "{health}");
    // Somebody does them.
    let others = lab.tasks().named("Others").on(|_: &Import| {}).unwrap().await.unwrap();
    super::lab::ended(&job).await;
    sleep(20 * SECOND).await;
    assert!(probe.health().unclaimed.is_empty());
    assert_eq!(probe.health().to_string(), "the worker of tasks is working");
    tasks.stop().await;
    others.stop().await;
}

#[convoke::test]
async fn what_somebody_else_does_is_not_named() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let slow = async |_: Arc<Import>| sleep(20 * SECOND).await;
    let others = lab.tasks().named("Others").concurrency(1).on(slow).unwrap().await.unwrap();
    let _jobs = tasks.enqueue_all((0..10).map(|_| Import {})).await.unwrap();
    for _ in 0..180 {
        sleep(SECOND).await;
        assert!(tasks.probe().health().unclaimed.is_empty(), "{}", tasks.probe().health());
    }
    tasks.stop().await;
    others.stop().await;
}

#[convoke::test]
async fn a_worker_that_has_nothing_to_do_is_well() {
    let lab = Lab::new();
    let tasks = lab.tasks().poll_every(60 * MINUTE).on(register).unwrap().await.unwrap();
    let probe = tasks.probe();
    for _ in 0..200 {
        sleep(SECOND).await;
        assert!(probe.health().healthy, "{:?}", probe.health());
    }
    let _ = tasks.enqueue(Register { id: 1 }).await.unwrap();
    sleep(SECOND).await;
    assert_eq!((probe.health().settled, probe.health().healthy), (1, true));
    tasks.stop().await;
}
