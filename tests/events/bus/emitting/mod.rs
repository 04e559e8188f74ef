//! Typed events: who is called when one is emitted, in which order, how often, and what the report says.

/// Who is called, what the report says, and what becomes of what nobody awaits.
mod calls;
/// Which events, how often, and in which order.
mod choices;
/// Registrations that come and go in the middle, and what is registered.
mod registrations;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::{ListenerError, ListenerResult};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

const fn order(id: u64) -> OrderPlaced {
    OrderPlaced { id }
}

/// Writes down the ids of all orders.
fn note(notes: &Notes<u64>) -> impl Fn(&OrderPlaced) + 'static {
    let notes = notes.clone();
    move |order| notes.add(order.id)
}

fn names(report: &Report) -> Vec<String> {
    report.iter().map(|result| result.listener.to_string()).collect()
}

/// The listeners that failed, each with what it did.
fn failures(report: &Report) -> Vec<String> {
    report.failed().map(|(name, error)| format!("{name} {error}")).collect()
}
