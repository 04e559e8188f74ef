use convoke::prelude::*;
use convoke::testing::FakeBus;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
struct PriceAsked {
    item: u64,
}

#[derive(Event, Serialize, Deserialize)]
struct OrderPlaced {
    item: u64,
    total: u64,
}

/// What is tested.
async fn place_order(item: u64, count: u64, bus: &EventBus) -> Result<(), Failure> {
    let price = bus.request::<u64>(PriceAsked { item }).await?;
    bus.publish(OrderPlaced { item, total: price * count })?;
    Ok(())
}

#[convoke::test]
async fn an_order_costs_what_its_items_cost() {
    let fake = FakeBus::new().answering(|_: &PriceAsked| Answer(20_u64));
    place_order(7, 3, &fake.bus()).await.unwrap();
    fake.assert_requested::<PriceAsked>(|asked| asked.item == 7);
    fake.assert_emitted::<OrderPlaced>(|order| order.total == 60);
}
