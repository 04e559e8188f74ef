//! What one has with actix-broker.

use actix::prelude::*;
use actix_broker::{Broker, BrokerSubscribe, SystemBroker};

fn publish() {
    #[derive(Clone, Message)]
    #[rtype(result = "()")]
    struct OrderPlaced {
        id: u64,
    }

    struct Billing;

    impl Actor for Billing {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            self.subscribe_async::<SystemBroker, OrderPlaced>(ctx);
        }
    }

    impl Handler<OrderPlaced> for Billing {
        type Result = ();

        fn handle(&mut self, order: OrderPlaced, _: &mut Self::Context) {
            println!("bill order {}", order.id);
        }
    }

    Broker::<SystemBroker>::issue_async(OrderPlaced { id: 7 });
}
