//! "actix send": the answerer is an actor, the answer its handler's result.

use actix::prelude::*;

use super::super::tally::Tick;
use super::{Contestant, answer};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Send {
    answerer: Addr<Answerer>,
}

impl Contestant for Send {
    const NAME: &'static str = "actix send";

    async fn set_up() -> Result<Self, Failure> {
        Ok(Self { answerer: Answerer.start() })
    }

    async fn ask(&self, question: Tick) -> Result<u64, Failure> {
        Ok(self.answerer.send(Question(question)).await?)
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Question(Tick);

struct Answerer;

impl Actor for Answerer {
    type Context = Context<Self>;
}

impl Handler<Question> for Answerer {
    type Result = u64;

    fn handle(&mut self, Question(question): Question, _: &mut Context<Self>) -> u64 {
        answer(&question)
    }
}
