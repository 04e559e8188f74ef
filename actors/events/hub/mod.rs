//! What all handles of a bus share, and the way from one arbiter to another.
//!
//! `bus.on → Post → Registry → Route (one for each type or topic) → Group (one for each arbiter) → Freight → Door`
//!
//! In reading order: `hub`, all of it; `limits`, its bounds; `hearing`, what a listener hears of; `post`, what every thread
//! knows of a listener; `registry`, who is registered; `watched`, the routes that threads use, and `changes`, who has come and
//! gone for each of them; `route`, who hears an event; `door`, the way to the listeners of one arbiter; `freight`, what goes
//! through it; `dead_letter`, one event that was not delivered, with its reason; `letters`, the ring in which the bus keeps them
//! (`bus/dead_letters` shows it to users), and `meter`, what is measured of them; `retained`, the last event of a topic; `waiters`, who waits for room.
//!
//! A route is looked up under the lock of the table, and every change is noted under it: so a thread has each change either in
//! the route that it looked up or among the changes since, and never in neither.
//!
//! It is a table: it calls nobody and queues nothing, and no lock of it is held while the user's code runs. An event that is
//! dropped anywhere on its way is counted at its listener's post and becomes a dead letter, but for one that somebody outside
//! still has.

mod hub;
mod limits;
mod hearing;
mod post;
mod registry;
mod watched;
mod changes;
mod route;
mod door;
mod freight;
mod dead_letter;
mod letters;
mod meter;
mod retained;
mod waiters;

pub(crate) use changes::{Change, Rank};
pub use dead_letter::DeadLetter;
pub(crate) use door::{Door, ToStation};
pub(crate) use freight::{Errand, Freight, Reserved};
pub use hearing::Hears;
pub(crate) use hearing::{EventType, Hearing, subject};
pub(crate) use hub::{Hub, Open};
pub(crate) use letters::Ring;
pub(crate) use limits::Limits;
pub use post::SubscriptionInfo;
pub(crate) use post::{Post, Vacancy};
pub(crate) use route::{Group, Place, Route, by_arbiter};
pub(crate) use waiters::Waiter;
