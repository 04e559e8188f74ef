//! What passes between the actors of a round, and the handles that send it: plain data around inboxes, so that each actor
//! knows the messages and not the others.
//!
//! `Membership → ToBroker → broker`, `session → Summons → emitter → Pledge → session, or broker if it is late`,
//! `session → ToConsumer → consumer`
//!
//! - `reply` — where the answer to a signal goes, and the emission that awaits it.
//! - `to_broker` — what members say to their broker.
//! - `membership` — an emitter's seat, and the guard that gives it up.
//! - `call` — what the pledges of a round share: the way back, what was emitted so far, and the end.
//! - `heartbeats` — the emitters that ask for more time.
//! - `pledge` — what a session asks of an emitter, and what becomes of it.
//! - `to_emitter`, `to_consumer` — what reaches each of them, and by which way.
//!
//! What must hold: whatever carries a [`Reply`] is answered by whoever takes it off its way; a guard that is dropped, by a
//! panic too, has said so before its place is used again.

mod reply;
mod to_broker;
mod membership;
mod heartbeats;
mod call;
mod pledge;
mod to_emitter;
mod to_consumer;

pub(crate) use call::{Board, Call, End, Pledged};
pub(crate) use heartbeats::Heartbeats;
pub use membership::Membership;
pub(crate) use membership::{Farewell, Seat};
pub use pledge::{Pledge, Summons};
pub use reply::Emission;
pub(crate) use reply::{Reply, Written, answer};
pub(crate) use to_broker::{Durable, Seated, ToBroker};
pub(crate) use to_consumer::{ConsumerSeat, Keeper, Route, ToConsumer};
pub(crate) use to_emitter::{Ask, ToEmitter, Wants};
