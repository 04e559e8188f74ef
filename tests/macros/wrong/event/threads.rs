//! An event that cannot be shared between threads.

use std::rc::Rc;

use convoke::Event;

#[derive(Event)]
#[event(local)]
struct OrderPlaced {
    id: Rc<u64>,
}

fn main() {}
