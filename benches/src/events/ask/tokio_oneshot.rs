//! "tokio mpsc + oneshot": no actors. A task reads questions from a channel; each brings the sender for its answer.

use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

use super::super::tally::Tick;
use super::{Contestant, answer, drive, on_runtime};
use crate::harness::Failure;

/// Questions that wait; more of them wait for room. As many as kameo's mailbox takes.
const ROOM: usize = 64;

/// The contestant.
pub(super) struct Oneshot {
    questions: Sender<(Tick, oneshot::Sender<u64>)>,
}

impl Contestant for Oneshot {
    const NAME: &'static str = "tokio mpsc + oneshot";

    async fn set_up() -> Result<Self, Failure> {
        let (questions, mut arriving) = channel::<(Tick, oneshot::Sender<u64>)>(ROOM);
        tokio::spawn(async move {
            while let Some((question, asker)) = arriving.recv().await {
                // The driver only leaves before the answer if it found a fault, which it reports.
                let _ = asker.send(answer(&question));
            }
        });
        Ok(Self { questions })
    }

    async fn ask(&self, question: Tick) -> Result<u64, Failure> {
        let (asker, answered) = oneshot::channel();
        self.questions.send((question, asker)).await?;
        Ok(answered.await?)
    }

    fn run(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_runtime(drive::<Self>(n, rounds))
    }
}
