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
    harbor: Recipient<Ship>,
    _orders: Subscription,
}

impl Actor for Dispatcher {
    type Context = Context<Self>;
}

impl Handler<Heard<OrderPaid>> for Dispatcher {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPaid>, _: &mut Context<Self>) -> Handled {
        Ok(self.harbor.try_send(Ship { order: order.id })?)
    }
}

#[convoke::test]
async fn a_paid_order_is_shipped_once() {
    let bus = EventBus::default();
    let harbor = Probe::<Ship>::new().start();
    let recipient = harbor.recipient();
    let _dispatcher = Dispatcher::create(|ctx| {
        let orders = bus.subscribe::<OrderPaid, Dispatcher>(ctx).unwrap();
        Dispatcher { harbor: recipient, _orders: orders }
    });

    bus.publish(OrderPaid { id: 7 }).unwrap();
    assert_eq!(harbor.expect_msg().await, Ship { order: 7 });
    harbor.expect_no_msg(Duration::from_secs(60)).await;
}
