//! "actix-broker": every subscriber an actor that subscribes when it starts.
//!
//! ```text
//! driver ─issue_async─> Broker ─do_send─> Subscriber × n
//! ```
//!
//! The system's broker, which its documentation shows first and which alone reaches other arbiters; the arbiter's own
//! is no faster. It lives on the driver's arbiter and clones the event for each subscriber. The event is handed to it by
//! itself, because to copy two words is less than to count a reference.

use actix::prelude::*;
use actix_broker::{Broker, BrokerSubscribe, SystemBroker};

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

/// The contestant.
pub(in super::super) struct ActixBroker;

impl Contestant for ActixBroker {
    const NAME: &'static str = "actix-broker";

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        for ear in ears {
            let subscriber = place.start(Subscriber { ear });
            // Once it answers it has been started, and what it told the broker stands before our first event.
            subscriber.send(Started).await?;
        }
        Ok(Self)
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        Broker::<SystemBroker>::issue_async(tick);
        Ok(())
    }
}

struct Subscriber {
    ear: Ear,
}

impl Actor for Subscriber {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.subscribe_system_async::<Tick>(ctx);
    }
}

impl Handler<Tick> for Subscriber {
    type Result = ();

    fn handle(&mut self, tick: Tick, _: &mut Context<Self>) {
        self.ear.hear(&tick);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Started;

impl Handler<Started> for Subscriber {
    type Result = ();

    fn handle(&mut self, _: Started, _: &mut Context<Self>) {}
}
