use convoke::prelude::*;
use convoke::testing::EventSynchronizer;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/closed")]
struct OrderClosed {
    id: u64,
}

async fn close(order: Arc<OrderPlaced>, bus: EventBus) -> Result<(), PublishError> {
    tokio::time::sleep(Duration::from_secs(3)).await; // whatever takes its time
    bus.publish(OrderClosed { id: order.id })
}

#[convoke::test]
async fn a_placed_order_is_closed() {
    let bus = EventBus::default();
    let mut sync = EventSynchronizer::new(&bus); // records from here on
    let _close = bus.on(close).unwrap();

    bus.publish(OrderPlaced { id: 7 }).unwrap();
    let seen = sync.wait_for_events(["orders/placed", "orders/closed"]).in_order().await.unwrap();
    assert_eq!((&seen[1]["id"], seen[1].at()), (&7.into(), Duration::from_secs(3)));
    sync.expect_none("orders/lost").within(Duration::from_secs(60)).await.unwrap();
}
