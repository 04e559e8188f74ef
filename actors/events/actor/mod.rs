//! An actor that hears events in its own context, with no mailbox in between.
//!
//! `bus.subscribe, a service → ActorSeat (a queue) → Hearings (in the actor's context) → Handler<Heard<E>>`
//!
//! In reading order: `subscribing`, how an actor registers itself; `actor_seat`, its queue; `hearings`, the future that takes from it; `overseer`,
//! what a service's keeper knows of its seats.
//!
//! An actor handles one event at a time, in their order. What waits for a service outlives its actor; what it was at when it
//! panicked is reported lost.

mod subscribing;
mod actor_seat;
mod hearings;
mod overseer;

pub(crate) use actor_seat::{ActorSeat, seat_of};
pub(crate) use overseer::Overseer;
