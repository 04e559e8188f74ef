//! The service `Billing`.

use actix::prelude::*;
use convoke::prelude::*;

use crate::events::{OrderBilled, OrderPlaced};

/// Bills every order, and says so. It is built anew when it fails.
#[derive(BaseService)]
#[service(on(OrderPlaced))]
pub struct Billing {
    bus: EventBus,
}

impl Billing {
    /// Returns one that says so on this bus.
    pub fn new(bus: EventBus) -> Self {
        Self { bus }
    }
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        self.bus.publish(OrderBilled { id: order.id })?;
        Ok(())
    }
}
