//! How a worker says that it is, when something keeps it from its work.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lab::{Lab, MINUTE, Register, Registered};

const SECOND: Duration = Duration::from_secs(1);

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

#[convoke::test]
async fn a_worker_whose_events_are_not_heard_in_time_says_so() {
    let lab = Lab::new();
    // A listener is waited for, for not quite a minute.
    let _slow = lab.bus.on(async |_: Arc<Registered>| sleep(5 * MINUTE).await).unwrap();
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let probe = tasks.probe();
    for id in 1..=3 {
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
    assert_eq!(health.settled, 3, "it has done them");
    sleep(5 * MINUTE).await;
    assert!(probe.health().healthy, "{}", probe.health());
    assert_eq!(lab.heard.names().len(), 3, "each is heard once");
    sleep(5 * MINUTE).await;
    tasks.stop().await;
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
