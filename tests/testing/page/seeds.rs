use convoke::prelude::*;
use convoke::testing;
use std::{cell::Cell, rc::Rc, sync::Arc};

#[derive(Event)]
#[event(local)]
struct Paid(u32);

#[convoke::test(seeds = 100)]
async fn no_payment_is_lost_in_whatever_order_they_come() {
    let bus = EventBus::default();
    let balance = Rc::new(Cell::new(0));
    let account = balance.clone();
    let add = async move |paid: Arc<Paid>| {
        let before = account.get();
        tokio::task::yield_now().await; // what else is ready may run here
        account.set(before + paid.0);
    };
    let _add = bus.on(add).unwrap(); // with `.concurrency(2)` a payment is lost

    for paid in [10, 20, 30] {
        let bus = bus.clone();
        testing::spawn(async move { bus.publish(Paid(paid)).unwrap() });
    }
    testing::settle().await;
    bus.drain().await;
    assert_eq!(balance.get(), 60);
}
