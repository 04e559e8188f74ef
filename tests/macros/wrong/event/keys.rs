//! Keys that do not exist, say too much, or are given twice.

use convoke::Event;

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

fn main() {}
