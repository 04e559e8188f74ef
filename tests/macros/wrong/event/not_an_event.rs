//! A type without the derive, where an event is expected.

use convoke::Event;

struct OrderPlaced;

fn emit<E: Event>(_: E) {}

fn main() {
    emit(OrderPlaced);
}
