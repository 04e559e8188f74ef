//! Jobs that take too long, outlive their worker, or are somebody else's meanwhile.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use convoke::transport::{DeadReason, Source};
use convoke::{CancelToken, Cancelling, Fault, TaskSender};
use tokio::time::{Instant, sleep};

use super::{Over, done_at};
use crate::common::SECOND;
use crate::tasks::lab::{MINUTE, Register, Registered};

#[convoke::test]
async fn one_that_takes_too_long_is_told_dropped_and_tried_again() {
    let over = Over::new();
    let told = Rc::new(Cell::new(0));
    let count = told.clone();
    let register = async move |_: Arc<Register>, cancel: CancelToken| {
        assert_eq!(cancel.cancelled().await, Cancelling::TimedOut);
        count.set(count.get() + 1);
        sleep(60 * MINUTE).await;
    };
    let tasks = over.tasks().on(register).unwrap().grace(3 * SECOND).await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    let start = Instant::now();
    over.ended().await;
    assert!(start.elapsed() >= 3 * (30 + 3) * SECOND && start.elapsed() < 2 * MINUTE, "{:?}", start.elapsed());
    let event = over.heard().only();
    assert_eq!((told.get(), event["code"].as_str()), (3, Some("timed_out")));
    assert_eq!(event["detail"], "it was not done in time, and was dropped where it waited");
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_shutdown_waits_for_what_runs_and_begins_nothing() {
    let over = Over::new();
    let done = Rc::new(Cell::new(0));
    let count = done.clone();
    let register = async move |_: Arc<Register>| {
        sleep(15 * SECOND).await;
        count.set(count.get() + 1);
    };
    let tasks = over.tasks().on(register).unwrap().concurrency(1).await.unwrap();
    for id in 1..=3 {
        tasks.enqueue(Register { id }).await.unwrap();
    }
    sleep(SECOND).await;
    let start = Instant::now();
    let report = tasks.stop().await.unwrap();
    assert!(report.drained && start.elapsed() == 14 * SECOND, "{report} after {:?}", start.elapsed());
    assert_eq!((done.get(), over.queue.waiting(), over.queue.lent()), (1, 2, 0));
}

#[convoke::test]
async fn what_goes_on_is_told_dropped_after_the_grace_and_given_back() {
    let over = Over::new();
    let why = Rc::new(RefCell::new(Vec::new()));
    let noted = why.clone();
    let begun = Instant::now();
    let register = async move |user: Arc<Register>, cancel: CancelToken| -> Result<(), Fault> {
        let reason = cancel.cancelled().await;
        noted.borrow_mut().push((user.id, reason, begun.elapsed()));
        if user.id == 1 {
            cancel.check()?;
        }
        sleep(60 * MINUTE).await;
        Ok(())
    };
    let tasks = over.tasks().on(register).unwrap().drain_timeout(5 * SECOND).grace(2 * SECOND).await.unwrap();
    for id in 1..=2 {
        tasks.enqueue(Register { id }).await.unwrap();
    }
    sleep(SECOND).await;
    let start = Instant::now();
    tasks.stop().await.unwrap();
    assert!(start.elapsed() >= 7 * SECOND && start.elapsed() < 9 * SECOND, "{:?}", start.elapsed());
    let at = 6 * SECOND;
    assert_eq!(*why.borrow(), [(1, Cancelling::Stopping, at), (2, Cancelling::Stopping, at)]);
    assert!(over.heard().names().is_empty());
    assert_eq!(over.queue.waiting(), 2);
    // Neither has cost an attempt.
    let (_, function) = done_at(5);
    let tasks = over.tasks().on(function).unwrap().await.unwrap();
    over.ended().await;
    assert_eq!(over.heard().names().len(), 2);
    tasks.stop().await.unwrap();
}

#[convoke::test]
async fn a_job_that_is_somebody_elses_is_told_so_and_tells_nothing() {
    let mut over = Over::new();
    over.queue = over.queue.lease(5 * SECOND);
    let (calls, why) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
    let (count, noted) = (calls.clone(), why.clone());
    let register = async move |user: Arc<Register>, cancel: CancelToken| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            noted.set(Some(cancel.cancelled().await));
        }
        Ok::<_, Fault>(Registered { id: user.id })
    };
    let tasks = over.tasks().on(register).unwrap().await.unwrap();
    tasks.enqueue(Register { id: 7 }).await.unwrap();
    sleep(SECOND).await;
    // Nothing is heard of it for longer than its lease, which cannot be extended.
    over.queue.set_reachable(false);
    sleep(10 * SECOND).await;
    assert_eq!(why.get(), None);
    over.queue.set_reachable(true);
    over.ended().await;
    sleep(MINUTE).await;
    assert_eq!((why.get(), calls.get()), (Some(Cancelling::Lost), 2));
    assert_eq!(over.heard().names(), ["Registered"], "of the first attempt nobody hears");
    tasks.stop().await.unwrap();
}

/// Has somebody take all that waits, and not be heard of any more.
async fn killed(over: &Over) -> usize {
    let mut source = over.queue.clone();
    source.open(10).await.unwrap();
    let lent = source.receive(10).await.unwrap();
    let count = lent.len();
    std::mem::forget(lent);
    std::mem::forget(source);
    sleep(MINUTE).await;
    count
}

#[convoke::test]
async fn what_has_killed_its_process_at_all_attempts_is_tried_alone_once_more_and_has_failed_then() {
    let over = Over::new();
    let sender = TaskSender::to(&over.queue);
    sender.enqueue(Register { id: 7 }).await.unwrap();
    for _ in 0..3 {
        assert_eq!(killed(&over).await, 1);
    }
    // This attempt is alone: it ends its worker as a kill would.
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().await.unwrap();
    over.ended().await;
    assert_eq!((calls.get(), over.heard().names()), (1, vec!["Registered".to_owned()]), "it was not this one");
    tasks.stop().await.unwrap();
    sender.enqueue(Register { id: 8 }).await.unwrap();
    for _ in 0..3 {
        assert_eq!(killed(&over).await, 1);
    }
    let mut source = over.queue.clone();
    source.open(1).await.unwrap();
    let mut delivery = source.receive(1).await.unwrap().pop().unwrap();
    assert!(delivery.mark().await.unwrap());
    std::mem::forget(delivery);
    std::mem::forget(source);
    sleep(MINUTE).await;
    let (calls, function) = done_at(1);
    let tasks = over.tasks().on(function).unwrap().await.unwrap();
    over.ended().await;
    assert_eq!((calls.get(), over.heard().names()[1].as_str()), (0, "RegistrationFailed"));
    let dead = over.dead().await;
    assert!(dead.len() == 1 && dead[0].0 == DeadReason::Exhausted, "{dead:?}");
    tasks.stop().await.unwrap();
}
