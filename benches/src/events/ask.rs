//! Ask: a question to the one who can answer it, and the answer; `n` questions are under way at once.
//!
//! ```text
//! driver ── ask × n ──> contestant ──> answerer ── answer × n ──> driver, which checks each
//! ```
//!
//! A single question is awaited by itself, several by `join_all`, whoever is asked. All of it happens on one thread. The
//! question is the event, handed over by itself.

mod actix;
mod convoke;
mod kameo;
mod plain;
mod ractor;
mod tokio_oneshot;

use std::time::Duration;

use futures::future::join_all;

use super::driver::{on_arbiter, on_runtime};
use super::tally::Tick;
use crate::figure::{Figure, cpu_time};
use crate::harness::{self, Failure, Work};

/// The work, with its contestants in the order of the table.
pub(super) const WORK: Work = Work {
    name: "events-ask",
    unit: "question",
    figure: Figure::CpuTime,
    baseline: actix::Send::NAME,
    sizes: &[1, 32],
    burst: 1,
    sample: 200_000,
    contestants: &[
        contestant::<convoke::Async>(),
        contestant::<convoke::Sync>(),
        contestant::<actix::Send>(),
        contestant::<kameo::Ask>(),
        contestant::<ractor::Call>(),
        contestant::<tokio_oneshot::Oneshot>(),
        contestant::<plain::Plain>(),
    ],
};

/// A way to ask.
trait Contestant: Sized + 'static {
    /// The name in the table.
    const NAME: &'static str;

    /// Sets up the one who [answers](answer).
    async fn set_up() -> Result<Self, Failure>;

    /// Asks, and returns the answer.
    async fn ask(&self, question: Tick) -> Result<u64, Failure>;

    /// Runs the driver; a contestant that is plain tokio says [`on_runtime`] here.
    fn run(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_arbiter(drive::<Self>(n, rounds))
    }
}

/// The right answer.
const fn answer(question: &Tick) -> u64 {
    question.payload().rotate_left(7)
}

const fn contestant<C: Contestant>() -> harness::Contestant {
    harness::Contestant { name: C::NAME, run: |n, rounds| Ok(C::run(n, rounds)?.into()) }
}

/// Sets up, warms up with a tenth of the rounds, and returns the CPU time of the `rounds` after it.
async fn drive<C: Contestant>(n: usize, rounds: u64) -> Result<Duration, Failure> {
    let contestant = C::set_up().await?;
    let warm_up = rounds.div_ceil(10);
    let mut begin = Duration::ZERO;
    for round in 0..warm_up + rounds {
        if round == warm_up {
            begin = cpu_time();
        }
        let question = |index| Tick::new(round * n as u64 + index);
        if n == 1 {
            check(question(0), contestant.ask(question(0)).await?)?;
            continue;
        }
        let answers = join_all((0..n as u64).map(|index| contestant.ask(question(index)))).await;
        for (index, answer) in (0..).zip(answers) {
            check(question(index), answer?)?;
        }
    }
    Ok(cpu_time() - begin)
}

fn check(question: Tick, given: u64) -> Result<(), Failure> {
    let right = answer(&question);
    if given == right { Ok(()) } else { Err(format!("{question:?} was answered {given}, not {right}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_answers_every_question() {
        for contestant in WORK.contestants {
            for n in [1, 2, 100] {
                let outcome = (contestant.run)(n, 20);
                assert!(outcome.is_ok(), "{} with n = {n}: {outcome:?}", contestant.name);
            }
        }
    }

    /// Gives everybody the answer to the first question.
    struct Cheat;

    impl Contestant for Cheat {
        const NAME: &'static str = "cheat";

        async fn set_up() -> Result<Self, Failure> {
            Ok(Self)
        }

        async fn ask(&self, _: Tick) -> Result<u64, Failure> {
            Ok(answer(&Tick::new(0)))
        }
    }

    #[test]
    fn a_wrong_answer_is_found_out() {
        for n in [1, 2] {
            let outcome = Cheat::run(n, 5).map_err(|failure| failure.to_string());
            assert!(outcome.is_err_and(|failure| failure.contains("was answered")));
        }
    }
}
