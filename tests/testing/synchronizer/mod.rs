//! `EventSynchronizer`: waiting for events instead of sleeping, and what it says when they do not come.

/// What is recorded, and found by its type.
mod record;
/// Several events, and what a wait takes.
mod waits;
/// Time, what a failure says, and elsewhere.
mod ends;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::testing::{self, EventSynchronizer, Seen};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use crate::common::{SECOND, after, at_once, ms, on_a_system, sleep};

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/closed")]
struct OrderClosed {
    id: u64,
}

/// Has no form as JSON.
#[derive(Event, Debug)]
#[event(local, topic = "orders/packed")]
struct Packed(Parcel);

/// Something that serde knows nothing of.
#[derive(Debug)]
struct Parcel(u8);

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
struct UserRegistered {
    mail: String,
}

#[derive(Event, Debug, Serialize, Deserialize)]
#[event(topic = "prices/asked")]
struct PriceAsked {
    item: u64,
}

const fn placed(id: u64) -> OrderPlaced {
    OrderPlaced { id }
}

fn topics(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| seen.topic()).collect()
}

fn numbers(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(Seen::number).collect()
}

/// Publishes JSON of this payload on each of these topics.
fn publish_on(bus: &EventBus, topics: &[&str]) {
    for topic in topics {
        bus.publish_json(topic, json!({})).unwrap();
    }
}
