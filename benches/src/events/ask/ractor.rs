//! "ractor call": the answerer is an actor of ractor, and the question brings the port for its answer.

use std::time::Duration;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::super::tally::Tick;
use super::{Contestant, answer, drive, on_runtime};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Call {
    answerer: ActorRef<Question>,
}

impl Contestant for Call {
    const NAME: &'static str = "ractor call";

    async fn set_up() -> Result<Self, Failure> {
        let (answerer, _) = Actor::spawn(None, Answerer, ()).await?;
        Ok(Self { answerer })
    }

    async fn ask(&self, tick: Tick) -> Result<u64, Failure> {
        match self.answerer.call(|reply| Question { tick, reply }, None).await? {
            CallResult::Success(answer) => Ok(answer),
            other => Err(format!("no answer but {other:?}").into()),
        }
    }

    fn run(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_runtime(drive::<Self>(n, rounds))
    }
}

struct Question {
    tick: Tick,
    reply: RpcReplyPort<u64>,
}

struct Answerer;

impl Actor for Answerer {
    type Msg = Question;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Question>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Question>, question: Question, (): &mut ()) -> Result<(), ActorProcessingErr> {
        question.reply.send(answer(&question.tick))?;
        Ok(())
    }
}
