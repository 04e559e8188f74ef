//! "kameo PubSub": every subscriber an actor of kameo, told by the `PubSub` of `kameo_actors`.
//!
//! ```text
//! driver ─publish─> PubSub ─try_tell─> Subscriber × n
//! ```
//!
//! The `PubSub` is a value of the driver's; as an actor of its own it would be a hop more. Its strategy is the default
//! one, best effort, which is faster than to wait for room and drops what a mailbox cannot take. So mailboxes have room
//! for a burst and what kameo itself tells an actor. The event is cloned for each subscriber, by itself.

use std::time::Duration;

use kameo::error::Infallible;
use kameo::prelude::*;
use kameo_actors::{DeliveryStrategy, pubsub};

use super::super::driver::{Contestant, Course, drive, on_runtime};
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use super::EVENTS;
use crate::harness::Failure;

/// The contestant.
pub(in super::super) struct PubSub {
    pubsub: pubsub::PubSub<Tick>,
}

impl Contestant for PubSub {
    const NAME: &'static str = "kameo PubSub";

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        let mut pubsub = pubsub::PubSub::new(DeliveryStrategy::BestEffort);
        // An actor lives on the runtime that is entered when it is spawned.
        let _there = place.runtime.enter();
        for ear in ears {
            let room = mailbox::bounded(2 * EVENTS as usize);
            pubsub.subscribe(Subscriber::spawn_with_mailbox(Subscriber { ear }, room));
        }
        Ok(Self { pubsub })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.pubsub.publish(tick).await;
        Ok(())
    }

    fn run<C: Course>(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_runtime(drive::<Self, C>(n, rounds))
    }
}

struct Subscriber {
    ear: Ear,
}

impl Actor for Subscriber {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(subscriber: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(subscriber)
    }
}

impl Message<Tick> for Subscriber {
    type Reply = ();

    async fn handle(&mut self, tick: Tick, _: &mut Context<Self, ()>) {
        self.ear.hear(&tick);
    }
}
