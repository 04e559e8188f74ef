//! Faults on demand: what depends on an actor is tested by making that actor panic.

use actix::{Handler, Message};

use crate::base::{CRASH, Payload};
use crate::rounds::Consumer;
use crate::rounds::broker::Broker;
use crate::rounds::emitter::Emitter;

/// A message that makes a broker, an emitter or a consumer panic when it handles the message.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Crash;

macro_rules! crash {
    ($($actor:ident),*) => {$(
        impl<P: Payload> Handler<Crash> for $actor<P> {
            type Result = ();

            fn handle(&mut self, _: Crash, _: &mut Self::Context) {
                panic!("{CRASH}");
            }
        }
    )*};
}

crash!(Broker, Emitter, Consumer);
