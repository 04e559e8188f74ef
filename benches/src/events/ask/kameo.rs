//! "kameo ask": the answerer is an actor of kameo, the answer its handler's reply.

use std::time::Duration;

use kameo::error::Infallible;
use kameo::prelude::*;

use super::super::tally::Tick;
use super::{Contestant, answer, drive, on_runtime};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Ask {
    answerer: ActorRef<Answerer>,
}

impl Contestant for Ask {
    const NAME: &'static str = "kameo ask";

    async fn set_up() -> Result<Self, Failure> {
        Ok(Self { answerer: Answerer::spawn(Answerer) })
    }

    async fn ask(&self, question: Tick) -> Result<u64, Failure> {
        Ok(self.answerer.ask(question).await?)
    }

    fn run(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_runtime(drive::<Self>(n, rounds))
    }
}

struct Answerer;

impl Actor for Answerer {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(answerer: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(answerer)
    }
}

impl Message<Tick> for Answerer {
    type Reply = u64;

    async fn handle(&mut self, question: Tick, _: &mut Context<Self, u64>) -> u64 {
        answer(&question)
    }
}
