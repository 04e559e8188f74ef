//! "actix, emitter-initiated": the straightforward design, but nobody is asked.
//!
//! ```text
//! emitter × n ─Signal─> Broker ─start() at the first─> Session
//!                       Broker ─Signal─────> Session ─Closed─> Broker
//!                                            Session ─Gathered─> Consumer
//! ```
//!
//! Emitters know the broker and send everything there, and the broker passes it on to the session.
//! That is one message more than telling each emitter the session's address, and still what one
//! writes: the emitters need to know nothing of rounds, and no signal ends in a session that has just
//! closed. An emitter here is a value with the broker's address in some other code, played by the
//! driver; a mailbox of its own would only add a hop.

use std::collections::HashMap;

use actix::prelude::*;
use uuid::Uuid;

use super::straightforward::{Consumer, Gathered};
use super::{Contestant, Outlet, TIMEOUT, payload};
use crate::harness::Failure;

/// The contestant.
pub(super) struct EmitterInitiated {
    emitters: Vec<Emitter>,
}

impl Contestant for EmitterInitiated {
    const NAME: &'static str = "actix, emitter-initiated";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let consumer = Consumer { outlet }.start();
        let broker = Broker { expected: n, consumer, session: None }.start();
        let emitter = |_| Emitter { id: Uuid::now_v7(), broker: broker.clone() };
        Ok(Self { emitters: (0..n).map(emitter).collect() })
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        for (index, emitter) in self.emitters.iter().enumerate() {
            emitter.emit(payload(index, round));
        }
        Ok(())
    }
}

/// A party of every round.
struct Emitter {
    id: Uuid,
    broker: Addr<Broker>,
}

impl Emitter {
    fn emit(&self, payload: u64) {
        self.broker.do_send(Signal { emitter: self.id, payload });
    }
}

/// From an emitter to the broker, from there to the session.
#[derive(Message)]
#[rtype(result = "()")]
struct Signal {
    emitter: Uuid,
    payload: u64,
}

/// From the session to the broker: the next signal opens another one.
#[derive(Message)]
#[rtype(result = "()")]
struct Closed;

/// Opens sessions and passes signals on.
struct Broker {
    expected: usize,
    consumer: Addr<Consumer>,
    session: Option<Addr<Session>>,
}

impl Actor for Broker {
    type Context = Context<Self>;
}

impl Handler<Signal> for Broker {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Context<Self>) {
        let session = self.session.get_or_insert_with(|| {
            Session {
                expected: self.expected,
                broker: ctx.address(),
                consumer: self.consumer.clone(),
                payloads: HashMap::with_capacity(self.expected),
            }
            .start()
        });
        session.do_send(signal);
    }
}

impl Handler<Closed> for Broker {
    type Result = ();

    fn handle(&mut self, _: Closed, _: &mut Context<Self>) {
        self.session = None;
    }
}

/// One round.
struct Session {
    expected: usize,
    broker: Addr<Broker>,
    consumer: Addr<Consumer>,
    payloads: HashMap<Uuid, u64>,
}

impl Session {
    fn close(&mut self, ctx: &mut Context<Self>) {
        self.broker.do_send(Closed);
        self.consumer.do_send(Gathered(std::mem::take(&mut self.payloads)));
        ctx.stop();
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(TIMEOUT, Self::close);
    }
}

impl Handler<Signal> for Session {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Context<Self>) {
        self.payloads.insert(signal.emitter, signal.payload);
        if self.payloads.len() == self.expected {
            self.close(ctx);
        }
    }
}
