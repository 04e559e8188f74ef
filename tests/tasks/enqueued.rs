//! When a job is due, how many there are, and in which order they go.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::JobState;
use tokio::time::{Instant, sleep};

use super::lab::{Lab, MINUTE, Register, Sweep, ended};
use crate::common::SECOND;

#[convoke::test]
async fn a_job_is_due_after_a_while_or_at_a_time() {
    let lab = Lab::new();
    let start = Instant::now();
    let began = Rc::new(RefCell::new(Vec::new()));
    let seen = began.clone();
    let register = async move |user: Arc<Register>| seen.borrow_mut().push((user.id, start.elapsed().as_secs()));
    let tasks = lab.tasks().on(register).unwrap().await.unwrap();
    let later = tasks.enqueue(Register { id: 1 }).after(60 * MINUTE).await.unwrap();
    let at = tasks.enqueue(Register { id: 2 }).at(convoke::Metadata::new("now").time - MINUTE).await.unwrap();
    assert_eq!(later.status().await.unwrap().unwrap().due_in(), Some(60 * MINUTE));
    ended(&at).await;
    ended(&later).await;
    assert_eq!(*began.borrow(), [(2, 0), (1, 3600)]);
    tasks.stop().await;
}

#[convoke::test]
async fn a_job_within_a_transaction_is_there_if_that_commits() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let mut tx = lab.db.begin().await.unwrap();
    let job = queue.enqueue(Register { id: 7 }).within(&mut tx).await.unwrap();
    assert!(job.status().await.unwrap().is_none());
    tx.rollback().await.unwrap();
    assert!(job.status().await.unwrap().is_none());
    let mut tx = lab.db.begin().await.unwrap();
    let jobs = queue.enqueue_all([Register { id: 8 }, Register { id: 9 }]).within(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    for job in jobs {
        assert_eq!(job.status().await.unwrap().unwrap().state(), JobState::Waiting);
    }
    assert_eq!(queue.figures().await.unwrap().waiting, 2);
}

#[convoke::test]
async fn of_a_unique_key_there_is_one_until_it_is_over() {
    let lab = Lab::new();
    let tasks = lab.tasks().on(async |_: Arc<Register>| sleep(MINUTE).await).unwrap();
    let tasks = tasks.await.unwrap();
    let first = tasks.enqueue(Register { id: 2_000 }).await.unwrap();
    let again = tasks.enqueue(Register { id: 2_000 }).await.unwrap();
    assert!(first.is_new() && !again.is_new());
    assert_eq!(first.id(), again.id());
    sleep(SECOND).await;
    assert!(!tasks.enqueue(Register { id: 2_000 }).await.unwrap().is_new(), "it runs");
    let both = tasks.enqueue_all([Register { id: 3_000 }, Register { id: 3_000 }]).await.unwrap();
    assert_eq!([both[0].is_new(), both[1].is_new()], [true, false]);
    let failed = ended(&first).await;
    assert_eq!(failed.state(), JobState::Failed, "it takes longer than it may");
    assert!(tasks.enqueue(Register { id: 2_000 }).await.unwrap().is_new());
    convoke::testing::expect_failure("Tasks"); // what it has begun takes longer than it waits
    tasks.stop().await;
}

#[convoke::test]
async fn two_transactions_that_want_one_unique_key_wait_for_each_other() {
    let lab = Lab::new();
    let queue = lab.db.tasks().await.unwrap();
    let mut first = lab.db.begin().await.unwrap();
    let job = queue.enqueue(Register { id: 2_000 }).within(&mut first).await.unwrap();
    assert!(job.is_new());
    assert!(!queue.enqueue(Register { id: 2_000 }).within(&mut first).await.unwrap().is_new(), "its own");
    let other = actix_rt::spawn({
        let queue = queue.clone();
        async move { queue.enqueue(Register { id: 2_000 }).await.unwrap().is_new() }
    });
    sleep(SECOND).await;
    assert!(!other.is_finished());
    first.commit().await.unwrap();
    assert!(!other.await.unwrap());

    let mut second = lab.db.begin().await.unwrap();
    assert!(queue.enqueue(Register { id: 4_000 }).within(&mut second).await.unwrap().is_new());
    second.rollback().await.unwrap();
    assert!(queue.enqueue(Register { id: 4_000 }).await.unwrap().is_new());
}

#[convoke::test]
async fn of_a_key_no_more_run_than_may_and_keys_take_turns() {
    let lab = Lab::new();
    let running = Rc::new(RefCell::new(std::collections::HashMap::<u32, (u32, u32)>::new()));
    let order = Rc::new(RefCell::new(Vec::new()));
    let (counts, began) = (running.clone(), order.clone());
    let sweep = async move |sweep: Arc<Sweep>| {
        began.borrow_mut().push(sweep.tenant);
        {
            let mut counts = counts.borrow_mut();
            let (now, most) = counts.entry(sweep.tenant).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        sleep(SECOND).await;
        counts.borrow_mut().get_mut(&sweep.tenant).unwrap().0 -= 1;
    };
    let queue = lab.db.tasks().await.unwrap();
    let jobs = (0..40).map(|_| Sweep { tenant: 1 }).chain([Sweep { tenant: 2 }]);
    let jobs = queue.enqueue_all(jobs).await.unwrap();
    let tasks = lab.tasks().on(sweep).unwrap().concurrency(3).await.unwrap();
    for job in &jobs {
        ended(job).await;
    }
    assert_eq!(running.borrow()[&1], (0, 2));
    let turn = order.borrow().iter().position(|tenant| *tenant == 2).unwrap();
    assert!(turn <= 4, "{turn}");
    tasks.stop().await;
}

#[convoke::test]
async fn what_is_urgent_goes_first_and_the_rest_is_not_kept_waiting_for_ever() {
    let lab = Lab::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    let began = order.clone();
    let register = async move |user: Arc<Register>| {
        began.borrow_mut().push(user.id);
        sleep(SECOND).await;
    };
    let queue = lab.db.tasks().await.unwrap();
    let _ = queue.enqueue(Register { id: 1 }).await.unwrap();
    sleep(SECOND).await;
    let _ = queue.enqueue(Register { id: 2 }).priority(4).await.unwrap();
    sleep(9 * SECOND).await;
    // Later than its head start of 8 s is long.
    let _ = queue.enqueue(Register { id: 3 }).priority(4).await.unwrap();
    // Behind what comes up to 256 s later.
    let _ = queue.enqueue(Register { id: 4 }).priority(-9).await.unwrap();
    sleep(SECOND).await;
    let _ = queue.enqueue(Register { id: 5 }).await.unwrap();
    let tasks = lab.tasks().on(register).unwrap().concurrency(1).await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(*order.borrow(), [2, 1, 3, 5, 4]);
    tasks.stop().await;
}

/// A queue that is busy four fifths of its time, nine urgent jobs for one that is not: no job waits longer than ten times as long as
/// they do on average.
#[convoke::test]
async fn no_job_waits_for_much_longer_than_the_others() {
    let lab = Lab::new();
    let waits = Rc::new(RefCell::new(Vec::<Duration>::new()));
    let begins = Rc::new(RefCell::new(Vec::<Instant>::new()));
    let (seen, added) = (waits.clone(), begins.clone());
    let random = Rc::new(Cell::new(7_u64));
    let register = async move |user: Arc<Register>| {
        seen.borrow_mut().push(added.borrow()[usize::try_from(user.id).unwrap()].elapsed());
        // From 0.4 to 1.2 s, as a small generator has it.
        random.set(random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        sleep(Duration::from_millis(400 + (random.get() >> 33) % 800)).await;
    };
    let tasks = lab.tasks().on(register).unwrap().concurrency(1).keep(Duration::ZERO).await.unwrap();
    let mut random = 11_u64;
    for id in 0..600_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        begins.borrow_mut().push(Instant::now());
        let priority = if id % 10 == 0 { 0 } else { 1 };
        let _ = tasks.enqueue(Register { id }).priority(priority).await.unwrap();
        sleep(Duration::from_millis((random >> 33) % 2_000)).await;
    }
    sleep(10 * MINUTE).await;
    let waits = waits.borrow().clone();
    assert_eq!(waits.len(), 600);
    let mean = waits.iter().sum::<Duration>() / 600;
    let longest = waits.iter().max().unwrap();
    assert!(*longest < 10 * mean, "{longest:?} of {mean:?} on average");
    tasks.stop().await;
}
