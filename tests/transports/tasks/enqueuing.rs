//! What is enqueued, and when it is due.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use convoke::{JobState, TaskQueue};

use super::Base;
use super::shop::{Register, Registered, Shop, Sweep, ended, register};

const HOUR: Duration = Duration::from_secs(3600);

async fn queue<B: Base>(shop: &Shop<B>) -> TaskQueue<B::Database> {
    shop.base.tasks().await.unwrap()
}

pub(super) async fn a_job_stands_in_the_transaction_or_not_at_all<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = queue(&shop).await;
    let mut transaction = shop.base.begin().await;
    let gone = queue.enqueue(Register { id: 1 }).within(&mut transaction).await.unwrap();
    B::rollback(transaction).await;
    assert!(gone.status().await.unwrap().is_none());
    let mut transaction = shop.base.begin().await;
    let there = queue.enqueue(Register { id: 2 }).within(&mut transaction).await.unwrap();
    assert!(there.status().await.unwrap().is_none());
    B::commit(transaction).await;
    assert_eq!(there.status().await.unwrap().unwrap().state(), JobState::Waiting);
    // Without a transaction it would be there by itself.
    let mut plain = shop.base.plain().await;
    let error = queue.enqueue(Register { id: 3 }).within(&mut plain).await.unwrap_err();
    assert!(error.to_string().contains("no transaction"), "{error}");
    assert_eq!(queue.figures().await.unwrap().waiting, 1);
}

pub(super) async fn what_commits_later_is_seen_without_a_poll<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().poll_every(Duration::from_secs(24 * 3600)).on(register).unwrap().await.unwrap();
    for (id, wait) in [0, 10, 300].into_iter().enumerate() {
        let mut transaction = shop.base.begin().await;
        let job = tasks.enqueue(Register { id: id as u64 }).within(&mut transaction).await.unwrap();
        // Whoever has heard of it meanwhile has looked in vain.
        tokio::time::sleep(Duration::from_millis(wait)).await;
        B::commit(transaction).await;
        assert_eq!(ended(&job).await.state(), JobState::Done);
    }
    tasks.stop().await;
}

pub(super) async fn a_job_of_a_unique_key_is_there_once<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = queue(&shop).await;
    let first = queue.enqueue(Register { id: 2_000 }).await.unwrap();
    let second = queue.enqueue(Register { id: 2_000 }).await.unwrap();
    assert!(first.is_new() && !second.is_new());
    assert_eq!(first.id(), second.id());
    let all = queue.enqueue_all([2_000, 3_000, 3_000, 5].map(|id| Register { id })).await.unwrap();
    assert_eq!(all.iter().map(|one| one.is_new()).collect::<Vec<_>>(), [false, true, false, true]);
    assert_eq!(all[1].id(), all[2].id());
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    assert_eq!(ended(&first).await.state(), JobState::Done);
    assert!(queue.enqueue(Register { id: 2_000 }).await.unwrap().is_new());
    tasks.stop().await;
}

pub(super) async fn a_thousand_are_enqueued_at_once<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = queue(&shop).await;
    let jobs = queue.enqueue_all((0..1_000).map(|id| Register { id })).await.unwrap();
    assert!(jobs.iter().all(|job| job.is_new()));
    assert!(jobs.is_sorted_by_key(|job| job.id().number()));
    let tasks = shop.tasks().concurrency(50).on(register).unwrap().await.unwrap();
    let mut heard: Vec<_> =
        shop.hears(1_000).await.into_iter().map(|(_, value)| value["id"].as_u64().unwrap()).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..1_000).collect::<Vec<_>>());
    for job in [&jobs[0], &jobs[999]] {
        assert_eq!(ended(job).await.state(), JobState::Done);
    }
    tasks.stop().await;
}

pub(super) async fn what_is_due_later_is_done_later<B: Base>() {
    let shop = Shop::<B>::new().await;
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    let far = tasks.enqueue(Register { id: 1 }).after(HOUR).await.unwrap();
    let past = tasks.enqueue(Register { id: 2 }).at(SystemTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(ended(&past).await.state(), JobState::Done);
    let soon = tasks.enqueue(Register { id: 3 }).after(Duration::from_millis(30)).await.unwrap();
    assert_eq!(ended(&soon).await.state(), JobState::Done);
    let status = far.status().await.unwrap().unwrap();
    assert_eq!(status.state(), JobState::Waiting);
    assert!(status.due_in().is_some_and(|due| due <= HOUR), "{status}");
    tasks.stop().await;
}

pub(super) async fn what_is_more_urgent_goes_first<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = queue(&shop).await;
    for (id, priority) in [(1, -9), (2, 0), (3, 9), (4, 0)] {
        let _ = queue.enqueue(Register { id }).priority(priority).await.unwrap();
    }
    let order = Arc::<Mutex<Vec<u64>>>::default();
    let noted = order.clone();
    let note = async move |user: Arc<Register>| {
        noted.lock().unwrap().push(user.id);
        Ok::<_, std::io::Error>(Registered { id: user.id })
    };
    let tasks = shop.tasks().concurrency(1).on(note).unwrap().await.unwrap();
    shop.hears(4).await;
    assert_eq!(*order.lock().unwrap(), [3, 2, 4, 1]);
    tasks.stop().await;
}

pub(super) async fn a_job_waits_for_who_does_its_task<B: Base>() {
    let shop = Shop::<B>::new().await;
    let queue = queue(&shop).await;
    // However many there are of another one.
    queue.enqueue_all((0..300).map(|place| Sweep { tenant: place, place })).await.unwrap();
    let job = queue.enqueue(Register { id: 1 }).await.unwrap();
    let tasks = shop.tasks().on(register).unwrap().await.unwrap();
    assert_eq!(ended(&job).await.state(), JobState::Done);
    tasks.stop().await;
    assert_eq!(queue.figures().await.unwrap().waiting, 300);
}
