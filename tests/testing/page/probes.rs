use actix::prelude::*;
use convoke::prelude::*;
use convoke::testing::Probe;
use std::time::Duration;

#[derive(Debug, PartialEq, Message)]
#[rtype(result = "()")]
struct Ship {
    order: u64,
}

#[derive(Event)]
#[event(local)]
struct OrderPaid {
    id: u64,
}

/// What is tested: an actor that hears of orders, and has them shipped.
struct Dispatcher {
    harbour: Recipient<Ship>,
    _orders: Subscription,
}

impl Actor for Dispatcher {
    type Context = Context<Self>;
}

impl Handler<Heard<OrderPaid>> for Dispatcher {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPaid>, _: &mut Context<Self>) -> Handled {
        Ok(self.harbour.try_send(Ship { order: order.id })?)
    }
}

#[convoke::test]
async fn a_paid_order_is_shipped_once() {
    let bus = EventBus::default();
    let harbour = Probe::<Ship>::new().start();
    let recipient = harbour.recipient();
    let _dispatcher = Dispatcher::create(|ctx| {
        let orders = bus.subscribe::<OrderPaid, Dispatcher>(ctx).unwrap();
        Dispatcher { harbour: recipient, _orders: orders }
    });

    bus.publish(OrderPaid { id: 7 }).unwrap();
    assert_eq!(harbour.expect_msg().await, Ship { order: 7 });
    harbour.expect_no_msg(Duration::from_secs(60)).await;
}
