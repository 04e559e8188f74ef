//! A worker inside a supervisor: it falls with its neighbors, and is started again with them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::transport::{Memory, MemoryQueue};
use convoke::{
    Backoff, OnFailed, Route, ServiceState, Services, ServicesHandle, Strategy, Supervised, Supervisor, Worker,
};
use serde::{Deserialize, Serialize};

use crate::common::{SECOND, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// Bills orders, and panics at each 666th that it has not panicked at.
#[derive(BaseService)]
#[service(on(OrderPlaced), name = "billing")]
struct Billing {
    billed: Rc<RefCell<Vec<u64>>>,
    curses: Rc<Cell<u32>>,
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        if order.id == 666 && self.curses.get() > 0 {
            self.curses.set(self.curses.get() - 1);
            panic!("cursed order");
        }
        self.billed.borrow_mut().push(order.id);
        Ok(())
    }
}

struct Shop {
    bus: EventBus,
    outside: EventBus,
    queue: MemoryQueue,
    billed: Rc<RefCell<Vec<u64>>>,
    curses: Rc<Cell<u32>>,
}

impl Shop {
    fn new(curses: u32) -> Self {
        let (bus, outside) = (EventBus::default(), EventBus::builder().publisher("Shop").build());
        let queue = Memory::queue("orders");
        Route::new("**", queue.clone()).open(&outside).unwrap().forever();
        Self { bus, outside, queue, billed: Rc::default(), curses: Rc::new(Cell::new(curses)) }
    }

    fn billing(&self) -> Supervised<Billing> {
        let (billed, curses) = (self.billed.clone(), self.curses.clone());
        let build = move |_| Billing { billed: billed.clone(), curses: curses.clone() };
        Billing::supervised(&self.bus, build).backoff(Backoff::none())
    }

    fn worker(&self) -> Worker<MemoryQueue> {
        Worker::new(self.queue.clone(), &self.bus).named("orders")
    }

    async fn place(&self, ids: impl IntoIterator<Item = u64>) {
        for id in ids {
            assert!(self.outside.emit(OrderPlaced { id }).await.is_ok());
        }
    }

    fn billed(&self) -> Vec<u64> {
        let mut billed = self.billed.take();
        billed.sort_unstable();
        billed.dedup();
        billed
    }
}

fn told(running: &ServicesHandle) -> Vec<String> {
    running.statuses().iter().map(ToString::to_string).collect()
}

#[convoke::test]
async fn it_is_started_again_with_its_neighbors() {
    expect_failure("billing");
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let shop = Shop::new(3);
        let all = Supervisor::new(&shop.bus, "all", strategy).add(shop.billing()).add(shop.worker());
        let running = Services::new(&shop.bus).add(all).await.unwrap();
        shop.place([1, 2, 666, 3]).await;
        for _ in 0..60 {
            sleep(SECOND).await;
            settled().await;
        }
        assert_eq!(told(&running), ["all is running", "billing is running", "orders is running"], "{strategy:?}");
        assert_eq!(running.statuses()[2].restarts, 3, "{strategy:?}");
        shop.place([4]).await;
        sleep(SECOND).await;
        assert_eq!(shop.billed(), [1, 2, 3, 4, 666], "{strategy:?}");
        assert_eq!(shop.queue.waiting() + shop.queue.lent(), 0);
        assert!(at_once(running.shutdown()).await.late.is_empty());
    }
}

#[convoke::test]
async fn it_is_started_again_with_its_supervisor() {
    expect_failure("billing");
    let shop = Shop::new(1);
    let all = Supervisor::one_for_one(&shop.bus, "all").budget(0, SECOND).add(shop.billing()).add(shop.worker());
    let running = Services::new(&shop.bus).add(all).await.unwrap();
    shop.place([666, 1]).await;
    sleep(60 * SECOND).await;
    settled().await;
    assert_eq!(told(&running), ["all is running", "billing is running", "orders is running"]);
    assert_eq!(shop.billed(), [1, 666]);
    running.shutdown().await;
}

/// What is being heard may itself wait for who is about to be started again.
#[convoke::test]
async fn its_neighbors_wait_for_what_it_hears_no_longer_than_a_second() {
    expect_failure("billing");
    let shop = Shop::new(1);
    let slow = Rc::new(Cell::new(0));
    let (heard, takes) = (slow.clone(), Rc::new(Cell::new(true)));
    let listener = async move |order: Arc<OrderPlaced>| {
        heard.set(heard.get() + 1);
        if order.id == 1 && takes.replace(false) {
            sleep(3_600 * SECOND).await;
        }
    };
    let _slow = shop.bus.on(listener.named("slow")).unwrap();
    let all = Supervisor::one_for_all(&shop.bus, "all").add(shop.billing()).add(shop.worker());
    let running = Services::new(&shop.bus).add(all).await.unwrap();
    shop.place([1]).await;
    sleep(ms(100)).await;
    shop.place([666]).await;
    sleep(ms(200)).await;
    assert_eq!(running.statuses()[2].state, ServiceState::Stopping);
    sleep(2 * SECOND).await;
    assert_eq!(told(&running), ["all is running", "billing is running", "orders is running"]);
    sleep(60 * SECOND).await;
    assert_eq!(shop.billed(), [1, 666], "what it gave back has come again");
    expect_failure("slow");
    running.shutdown().await;
}

#[convoke::test]
async fn one_whose_server_is_gone_when_it_is_to_be_started_again_has_failed_and_is_seen() {
    expect_failure("billing");
    let shop = Shop::new(1);
    let billing = shop.billing().backoff(Backoff::fixed(4 * SECOND));
    let all = Supervisor::one_for_all(&shop.bus, "all").add(billing).add(shop.worker());
    let running = Services::new(&shop.bus).on_failed(OnFailed::GoOn).add(all).await.unwrap();
    shop.place([666]).await;
    sleep(SECOND).await;
    shop.queue.set_reachable(false);
    sleep(60 * SECOND).await;
    let failed = at_once(running.failed()).await;
    assert_eq!((&*failed.service, failed.state), ("orders", ServiceState::Failed), "{failed}");
    running.shutdown().await;
}
