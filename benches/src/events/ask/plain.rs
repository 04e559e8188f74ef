//! "plain async call": no bus. The answerer is a closure that returns a boxed future; the least that a question costs.

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::super::tally::Tick;
use super::{Contestant, answer};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Plain {
    answerer: Box<dyn Fn(Tick) -> LocalBoxFuture<'static, u64>>,
}

impl Contestant for Plain {
    const NAME: &'static str = "plain async call";

    async fn set_up() -> Result<Self, Failure> {
        Ok(Self { answerer: Box::new(|question| async move { answer(&question) }.boxed_local()) })
    }

    async fn ask(&self, question: Tick) -> Result<u64, Failure> {
        Ok((self.answerer)(question).await)
    }
}
