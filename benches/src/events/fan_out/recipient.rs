//! "actix do_send": no broker; the publisher holds a `Recipient` for each subscriber.
//!
//! ```text
//! driver ─do_send─> Subscriber × n
//! ```
//!
//! The least that actix needs to bring a message to an actor. The event is copied into each message.

use actix::prelude::*;

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

/// The contestant.
pub(in super::super) struct Recipients {
    subscribers: Vec<Recipient<Tick>>,
}

impl Contestant for Recipients {
    const NAME: &'static str = "actix do_send";

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        Ok(Self { subscribers: ears.map(|ear| place.start(Subscriber { ear }).recipient()).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        for subscriber in &self.subscribers {
            subscriber.do_send(tick);
        }
        Ok(())
    }
}

struct Subscriber {
    ear: Ear,
}

impl Actor for Subscriber {
    type Context = Context<Self>;
}

impl Handler<Tick> for Subscriber {
    type Result = ();

    fn handle(&mut self, tick: Tick, _: &mut Context<Self>) {
        self.ear.hear(&tick);
    }
}
