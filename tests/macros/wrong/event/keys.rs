//! Keys that do not exist, say too much, or are given twice.

use convoke::{Event, EventBus};

#[derive(Event)]
#[event(local, topics = "orders/placed")]
struct Unknown;

#[derive(Event)]
#[event("orders/placed")]
struct Keyless;

#[derive(Event)]
#[event(local, retained = true)]
struct Flag;

#[derive(Event)]
#[event(local, topic = "orders/placed", topic = "orders/closed")]
struct Twice;

#[derive(Event)]
#[event(local)]
#[event(version = 2, local)]
struct TwiceApart;

#[derive(Event)]
#[event]
struct Bare;

#[derive(Event)]
#[event = "orders/placed"]
struct Assigned;

#[derive(Event)]
#[event(local, crate = convoke)]
struct Root;

#[derive(Event)]
#[event(local, version = 0)]
struct Zeroth;

#[derive(Event)]
#[event(local, version = "2")]
struct VersionAsText;

#[derive(Event)]
#[event(local, version = 4294967296)]
struct VersionTooHigh;

/// Whoever uses one of them has no fault of his own.
async fn use_them(bus: &EventBus) -> Result<(), Box<dyn std::error::Error>> {
    let _listener = bus.on(|_: &Unknown| ())?;
    bus.emit(Unknown).await.ok()?;
    bus.publish(TwiceApart)?;
    Ok(())
}

fn main() {}
