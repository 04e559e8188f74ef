//! Keys of which only some run, and more than one worker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::{AsReturned, Failure, Task, TaskFailed, TaskTerms};
use serde::{Deserialize, Serialize};

use super::Base;
use super::shop::{Shop, Sweep};
use crate::transports::outbox::until;

/// Who runs at the same time, by their tenant.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    running: HashMap<u32, u32>,
    most: HashMap<u32, u32>,
    order: Vec<u32>,
}

impl Watch {
    async fn pass(&self, tenant: u32) {
        {
            let mut seen = self.0.lock().unwrap();
            seen.order.push(tenant);
            let running = seen.running.entry(tenant).or_default();
            *running += 1;
            let now = *running;
            let most = seen.most.entry(tenant).or_default();
            *most = now.max(*most);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        *self.0.lock().unwrap().running.entry(tenant).or_default() -= 1;
    }

    fn most(&self) -> u32 {
        self.0.lock().unwrap().most.values().copied().max().unwrap_or_default()
    }

    fn order(&self) -> Vec<u32> {
        self.0.lock().unwrap().order.clone()
    }
}

fn watched(watch: &Watch) -> impl AsyncFn(Arc<Sweep>) -> Result<(), Failure> + Clone + 'static {
    let watch = watch.clone();
    async move |sweep: Arc<Sweep>| {
        watch.pass(sweep.tenant).await;
        Ok(())
    }
}

pub(super) async fn of_a_key_no_more_run_at_once_than_is_said<B: Base>() {
    let (shop, watch) = (Shop::<B>::new().await, Watch::default());
    let tasks = shop.tasks().concurrency(20).on(watched(&watch)).unwrap().await.unwrap();
    tasks.enqueue_all((0..60).map(|place| Sweep { tenant: place % 3, place })).await.unwrap();
    until("all are done", async || watch.order().len() == 60).await;
    assert!(watch.most() <= 2, "{}", watch.most());
    tasks.stop().await;
}

pub(super) async fn a_key_with_many_jobs_keeps_no_other_waiting<B: Base>() {
    let (shop, watch) = (Shop::<B>::new().await, Watch::default());
    let queue = shop.base.tasks().await.unwrap();
    queue.enqueue_all((0..200).map(|place| Sweep { tenant: 1, place })).await.unwrap();
    queue.enqueue_all((0..3).map(|place| Sweep { tenant: 2, place })).await.unwrap();
    let tasks = shop.tasks().concurrency(2).on(watched(&watch)).unwrap().await.unwrap();
    until("all are done", async || watch.order().len() == 203).await;
    let last = watch.order().iter().rposition(|tenant| *tenant == 2).unwrap();
    assert!(last < 60, "{last}");
    tasks.stop().await;
}

/// Of a tenant two may begin in an hour.
#[derive(Serialize, Deserialize)]
struct Rare {
    tenant: u32,
}

impl Task for Rare {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Rare";
    const TERMS: TaskTerms = TaskTerms::new().rate(2, Duration::from_secs(3600));

    fn limit_key(&self) -> Option<String> {
        Some(self.tenant.to_string())
    }
}

pub(super) async fn a_rate_is_kept<B: Base>() {
    let shop = Shop::<B>::new().await;
    let begun = Arc::<Mutex<Vec<u32>>>::default();
    let noted = begun.clone();
    let note = async move |rare: Arc<Rare>| {
        noted.lock().unwrap().push(rare.tenant);
        Ok::<(), Failure>(())
    };
    let tasks = shop.tasks().on(note).unwrap().await.unwrap();
    tasks.enqueue_all((0..12).map(|place| Rare { tenant: place % 3 })).await.unwrap();
    until("those have begun that may", async || begun.lock().unwrap().len() >= 6).await;
    let last = tasks.enqueue(Rare { tenant: 9 }).await.unwrap();
    super::shop::ended(&last).await;
    tasks.stop().await;
    let mut begun = begun.lock().unwrap().clone();
    begun.sort_unstable();
    assert_eq!(begun, [0, 0, 1, 1, 2, 2, 9]);
}

pub(super) async fn a_limit_holds_over_two_workers<B: Base>() {
    let (shop, watch) = (Shop::<B>::new().await, Watch::default());
    let first = shop.tasks().named("first").concurrency(10).on(watched(&watch)).unwrap().await.unwrap();
    let second = shop.tasks().named("second").concurrency(10).on(watched(&watch)).unwrap().await.unwrap();
    first.enqueue_all((0..100).map(|place| Sweep { tenant: place % 4, place })).await.unwrap();
    until("all are done", async || watch.order().len() == 100).await;
    assert!(watch.most() <= 2, "{}", watch.most());
    first.stop().await;
    second.stop().await;
}
