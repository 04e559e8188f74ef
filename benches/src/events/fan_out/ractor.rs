//! "ractor OutputPort": every subscriber an actor of ractor that listens at a port.
//!
//! ```text
//! driver ─send─> OutputPort, a task ─cast─> Subscriber × n
//! ```
//!
//! The second version of the port. The first is tokio's broadcast with room for ten events and a task for each
//! subscriber, and loses what is more. The port's task lives on the driver's runtime and clones the event for
//! each subscriber, by itself.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, OutputPort};

use super::super::driver::{Contestant, Course, drive, on_runtime};
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

/// The contestant.
pub(in super::super) struct Port {
    port: OutputPort<Tick>,
}

impl Contestant for Port {
    const NAME: &'static str = "ractor OutputPort";

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        let port = OutputPort::default();
        for ear in ears {
            // An actor lives on the runtime of the task that spawns it.
            let (subscriber, _) = place.runtime.spawn(Actor::spawn(None, Subscriber, ear)).await??;
            port.subscribe(subscriber, Some);
        }
        Ok(Self { port })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.port.send(tick);
        Ok(())
    }

    fn run<C: Course>(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_runtime(drive::<Self, C>(n, rounds))
    }
}

struct Subscriber;

impl Actor for Subscriber {
    type Msg = Tick;
    type State = Ear;
    type Arguments = Ear;

    async fn pre_start(&self, _: ActorRef<Tick>, ear: Ear) -> Result<Ear, ActorProcessingErr> {
        Ok(ear)
    }

    async fn handle(&self, _: ActorRef<Tick>, tick: Tick, ear: &mut Ear) -> Result<(), ActorProcessingErr> {
        ear.hear(&tick);
        Ok(())
    }
}
