//! An event reaches all who listen to it; one of them fails, and stops no other.

use std::io;
use std::sync::Arc;

use convoke::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Stage, Tone};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

async fn send_receipt(_: Arc<OrderPlaced>) {}

async fn warm_cache(_: Arc<OrderPlaced>) -> io::Result<()> {
    Err(io::Error::other("no connection"))
}

fn write_log(order: &JsonEvent) -> Result<(), &'static str> {
    if order.topic() == "orders/placed" { Ok(()) } else { Err("of another topic") }
}

pub(super) async fn play(stage: &Stage) -> Result<(), Failure> {
    let rows =
        [("receipt", "listens to OrderPlaced"), ("cache", "listens to OrderPlaced"), ("log", "listens to orders/*")];
    let act = stage.begin("An event", "all who listen hear it", rows);
    let bus = EventBus::default();
    let _guards = [bus.on(send_receipt)?, bus.on(warm_cache)?, bus.on_topic("orders/*", write_log)?];
    act.pause(700).await;

    let report = bus.emit(OrderPlaced { id: 7 }).await;
    let mut failed = 0;
    for (result, (who, _)) in report.iter().zip(rows) {
        match &result.error {
            None => act.row(who, Tone::Good, 100, "heard order 7"),
            Some(error) => {
                failed += 1;
                act.row(who, Tone::Bad, 100, error.to_string());
            }
        }
        act.pause(250).await;
    }
    act.verdict(
        Tone::Good,
        format!("{} of {} are done, and the report names the other", report.len() - failed, report.len()),
    );
    act.pause(1_200).await;
    Ok(())
}
