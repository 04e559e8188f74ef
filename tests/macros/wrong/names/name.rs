//! Names and versions that are none.

use convoke::Event;

#[derive(Event)]
#[event(local, name = OrderPlaced)]
struct Word;

#[derive(Event)]
#[event(local, name = "orders/placed")]
struct Slash;

#[derive(Event)]
#[event(local, entity = "")]
struct Empty;

#[derive(Event)]
#[event(local, version = "2")]
struct Text;

#[derive(Event)]
#[event(local, version = 0)]
struct Zero;

fn main() {}
