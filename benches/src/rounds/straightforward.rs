//! "actix": the straightforward design, as the actix book would lead one to it.
//!
//! ```text
//! driver ─Start─> Broker ─start()─> Session ─Ask─> Emitter × n
//!                                   Session <─Signal─ each
//!                                   Session ─Gathered─> Consumer
//! ```
//!
//! Everything is an actor and every arrow a message. Who waits for nothing uses `do_send`; the
//! session carries its timeout as `run_later` and its signals in a `HashMap`. The list of emitters is
//! shared with the session and not copied: cloning `n` addresses for each round is what
//! one finds in the first profile.

use std::collections::HashMap;
use std::rc::Rc;

use actix::prelude::*;
use uuid::Uuid;

use super::{Contestant, Outlet, TIMEOUT, payload};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Straightforward {
    broker: Addr<Broker>,
}

impl Contestant for Straightforward {
    const NAME: &'static str = "actix";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let consumer = Consumer { outlet }.start();
        let emitter = |index| Emitter { id: Uuid::now_v7(), next: payload(index, 0) }.start();
        let emitters = (0..n).map(emitter).collect();
        Ok(Self { broker: Broker { emitters, consumer }.start() })
    }

    async fn round(&mut self, _: u64) -> Result<(), Failure> {
        self.broker.do_send(Start);
        Ok(())
    }
}

/// Starts a round.
#[derive(Message)]
#[rtype(result = "()")]
struct Start;

/// Asks an emitter for its signal.
#[derive(Message)]
#[rtype(result = "()")]
struct Ask {
    session: Addr<Session>,
}

/// An emitter's answer.
#[derive(Message)]
#[rtype(result = "()")]
struct Signal {
    emitter: Uuid,
    payload: u64,
}

/// What a round has brought; too little if it was cancelled.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Gathered(pub(super) HashMap<Uuid, u64>);

/// Knows everybody and starts rounds.
struct Broker {
    emitters: Rc<[Addr<Emitter>]>,
    consumer: Addr<Consumer>,
}

impl Actor for Broker {
    type Context = Context<Self>;
}

impl Handler<Start> for Broker {
    type Result = ();

    fn handle(&mut self, _: Start, _: &mut Context<Self>) {
        Session {
            emitters: Rc::clone(&self.emitters),
            consumer: self.consumer.clone(),
            payloads: HashMap::with_capacity(self.emitters.len()),
        }
        .start();
    }
}

/// One round.
struct Session {
    emitters: Rc<[Addr<Emitter>]>,
    consumer: Addr<Consumer>,
    payloads: HashMap<Uuid, u64>,
}

impl Session {
    fn close(&mut self, ctx: &mut Context<Self>) {
        self.consumer.do_send(Gathered(std::mem::take(&mut self.payloads)));
        ctx.stop();
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(TIMEOUT, Self::close);
        let session = ctx.address();
        for emitter in self.emitters.iter() {
            emitter.do_send(Ask { session: session.clone() });
        }
    }
}

impl Handler<Signal> for Session {
    type Result = ();

    fn handle(&mut self, signal: Signal, ctx: &mut Context<Self>) {
        self.payloads.insert(signal.emitter, signal.payload);
        if self.payloads.len() == self.emitters.len() {
            self.close(ctx);
        }
    }
}

/// A party of every round.
struct Emitter {
    id: Uuid,
    next: u64,
}

impl Actor for Emitter {
    type Context = Context<Self>;
}

impl Handler<Ask> for Emitter {
    type Result = ();

    fn handle(&mut self, ask: Ask, _: &mut Context<Self>) {
        ask.session.do_send(Signal { emitter: self.id, payload: self.next });
        self.next += 1;
    }
}

/// Gets the payloads of each round. The emitter-initiated design has the same.
pub(super) struct Consumer {
    pub(super) outlet: Outlet,
}

impl Actor for Consumer {
    type Context = Context<Self>;
}

impl Handler<Gathered> for Consumer {
    type Result = ();

    fn handle(&mut self, Gathered(payloads): Gathered, _: &mut Context<Self>) {
        self.outlet.accept(payloads.into_values());
    }
}
