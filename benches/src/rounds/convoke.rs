//! Convoke's own three rows: emitters asked through a `Recipient`, our `Emitter` asked, and emitters that emit by
//! themselves.
//!
//! In the first two, one emitter opens the round with its signal and the session asks all others. In each, the
//! session is a real actor that holds the deadline, all policies are on, and a `Consumer` gets the payloads.

use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;

use super::{Contestant, Outlet, TIMEOUT, payload};
use crate::harness::Failure;

/// A broker with its consumer; the rest of a contestant are its emitters.
struct Stage {
    broker: Addr<Broker<u64>>,
    _consumer: ConsumerHandle<u64>,
}

impl Stage {
    async fn set_up(outlet: Outlet) -> Result<Self, Failure> {
        const { assert!(!Duration::is_zero(&TIMEOUT), "a broker takes no timeout of zero") };
        let broker = Broker::new(TIMEOUT).start();
        let consume = move |round: Resolved<u64>| outlet.accept(round.payloads().iter().copied());
        let consumer = Consumer::join(&broker, consume).await?;
        Ok(Self { broker, _consumer: consumer })
    }
}

/// Emitters that are actors of the user's own, asked through a `Recipient`.
pub(super) struct ByRecipient {
    opener: EmitterHandle<u64>,
    _others: Vec<Addr<Clerk>>,
    _stage: Stage,
}

/// An actor of the user's own, on actix's own context.
struct Clerk {
    next: u64,
    _membership: Option<Membership<u64>>,
}

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Summons<u64>> for Clerk {
    type Result = ();

    fn handle(&mut self, Summons { pledge }: Summons<u64>, _: &mut Context<Self>) {
        pledge.keep(self.next);
        self.next += 1;
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Joined(Membership<u64>);

impl Handler<Joined> for Clerk {
    type Result = ();

    fn handle(&mut self, Joined(membership): Joined, _: &mut Context<Self>) {
        self._membership = Some(membership);
    }
}

impl Contestant for ByRecipient {
    const NAME: &'static str = "convoke, asked by Recipient";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let stage = Stage::set_up(outlet).await?;
        let opener = Emitter::join(&stage.broker, "emitter 0").await?;
        let mut others = Vec::new();
        for index in 1..n {
            let clerk = Clerk { next: payload(index, 0), _membership: None }.start();
            let membership = stage.broker.add_emitter(format!("emitter {index}"), clerk.clone().recipient()).await?;
            clerk.send(Joined(membership)).await?;
            others.push(clerk);
        }
        Ok(Self { opener, _others: others, _stage: stage })
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        Ok(self.opener.do_emit(payload(0, round))?)
    }
}

/// Our `Emitter`, asked.
pub(super) struct ByEmitter {
    opener: EmitterHandle<u64>,
    _others: Vec<EmitterHandle<u64>>,
    _stage: Stage,
}

impl Contestant for ByEmitter {
    const NAME: &'static str = "convoke, our Emitter asked";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let stage = Stage::set_up(outlet).await?;
        let opener = Emitter::join(&stage.broker, "emitter 0").await?;
        let mut others = Vec::new();
        for index in 1..n {
            let mut next = payload(index, 0);
            let emitter = Emitter::new(format!("emitter {index}")).on_summons(move |pledge| {
                pledge.keep(next);
                next += 1;
            });
            others.push(Emitter::join(&stage.broker, emitter).await?);
        }
        Ok(Self { opener, _others: others, _stage: stage })
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        Ok(self.opener.do_emit(payload(0, round))?)
    }
}

/// Emitters that emit by themselves and are never asked.
pub(super) struct ByThemselves {
    emitters: Vec<EmitterHandle<u64>>,
    _stage: Stage,
}

impl Contestant for ByThemselves {
    const NAME: &'static str = "convoke, by themselves";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let stage = Stage::set_up(outlet).await?;
        let mut emitters = Vec::new();
        for index in 0..n {
            emitters.push(Emitter::join(&stage.broker, format!("emitter {index}")).await?);
        }
        Ok(Self { emitters, _stage: stage })
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        for (index, emitter) in self.emitters.iter().enumerate() {
            emitter.do_emit(payload(index, round))?;
        }
        Ok(())
    }
}
