//! What is known of an emission, and where it came from: metadata, the ids of a chain of events, and its end where it
//! would have none.

/// What is known of an emission.
mod emission;
/// What caused it.
mod cause;
/// Where it would never end.
mod cycles;

use std::sync::Arc;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Reason, TooDeep, TraceContext, Uuid, testing};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "causes/first", name = "FirstHeard", entity_id = 0, version = 3)]
struct First(u64);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "causes/second")]
struct Second(u64);

/// Keeps the metadata of every event of that type.
fn seen<E: Event>(bus: &EventBus) -> (Notes<Metadata>, Subscription) {
    let notes = Notes::new();
    let seen = notes.clone();
    (notes, bus.on(move |_: &E, metadata: Metadata| seen.add(metadata)).unwrap())
}

fn only(notes: &Notes<Metadata>) -> Metadata {
    let [metadata] = notes.take().try_into().unwrap();
    metadata
}
