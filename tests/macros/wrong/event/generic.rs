//! Generic events over types that have no serde, and one that has none itself.

use convoke::Event;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
struct Stored<T> {
    value: T,
}

#[derive(Event)]
struct Removed<T> {
    value: T,
}

struct Plain;

fn emit<E: Event>(_: E) {}

fn main() {
    emit(Stored { value: Plain });
    emit(Removed { value: 7 });
}
