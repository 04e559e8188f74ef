//! DOOR

pub(crate) mod subscription;
mod station;
mod seat;
mod actor_seat;
mod hearings;

pub(crate) use actor_seat::{ActorSeat, seat_of};
pub(crate) use seat::{AnySeat, Hearer, Seat, Tickets, panicked};
pub(crate) use station::{Door, Station, ToStation};
pub(crate) use subscription::{Hearing, Post, Vacancy};
pub use subscription::{Subscription, SubscriptionId, SubscriptionInfo};
