//! "actix send": every listener an actor, whose answers are awaited together.
//!
//! ```text
//! driver ─send─> actor × n ─answer─> join_all ──> driver
//! ```
//!
//! The event is copied into each message.

use actix::prelude::*;
use futures::future::join_all;

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Actors {
    listeners: Vec<Recipient<Tick>>,
}

impl Contestant for Actors {
    const NAME: &'static str = "actix send";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { listeners: ears.map(|ear| Listener { ear }.start().recipient()).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        for answer in join_all(self.listeners.iter().map(|listener| listener.send(tick))).await {
            answer?;
        }
        Ok(())
    }
}

struct Listener {
    ear: Ear,
}

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Tick> for Listener {
    type Result = ();

    fn handle(&mut self, tick: Tick, _: &mut Context<Self>) {
        self.ear.hear(&tick);
    }
}
