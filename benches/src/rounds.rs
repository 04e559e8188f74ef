//! The work "rounds": `n` emitters each give a signal, and one consumer gets all of them in time.
//!
//! A contestant sets up its emitters once and then does one round after the other, each under a
//! timeout of its own that is armed for the round. A round is over when its payloads have reached
//! the consumer; the next one begins only then. Every payload depends on its round and emitter, and
//! the driver checks what has arrived: nobody wins by losing a signal, or by gathering an old one.
//!
//! Some emitters are asked for their signal, others give it by themselves. In the latter case
//! the driver plays the code in which an emitter lives: what makes it emit is no part of a round.
//!
//! All of it runs on one actix `System`, on one thread, whose CPU time is what counts. The driver too
//! is a task there, like the code of an application: if it were the future given to `block_on`, the
//! runtime would go idle once per round, for about 170 ns that no design can help.

mod convoke;
mod emitter_initiated;
mod straightforward;
mod tokio_mpsc;
mod tokio_notify;

use std::time::Duration;

use actix::System;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::figure::{Figure, cpu_time};
use crate::harness::{self, Failure, Work};

/// Each round is cancelled if it is not complete after this time.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The work, with its contestants in the order of the table.
pub(crate) const WORK: Work = Work {
    name: "rounds",
    unit: "emitter",
    figure: Figure::CpuTime,
    baseline: straightforward::Straightforward::NAME,
    sizes: &[2, 10, 100, 1_000],
    burst: 1,
    sample: 100_000,
    contestants: &[
        contestant::<convoke::ByRecipient>(),
        contestant::<convoke::ByEmitter>(),
        contestant::<convoke::ByThemselves>(),
        contestant::<straightforward::Straightforward>(),
        contestant::<emitter_initiated::EmitterInitiated>(),
        contestant::<tokio_mpsc::TokioMpsc>(),
        contestant::<tokio_notify::TokioNotify>(),
    ],
};

/// A way to do rounds.
trait Contestant: Sized + 'static {
    /// The name in the table.
    const NAME: &'static str;

    /// Sets up `n` emitters and a consumer that [accepts](Outlet::accept) the payloads of each
    /// round at `outlet`.
    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure>;

    /// Starts a round: has the emitters asked, or emits for each of them. The driver then waits at
    /// the outlet, so this need not wait for the round to end.
    ///
    /// An emitter that is asked does not hear `round`: it counts.
    async fn round(&mut self, round: u64) -> Result<(), Failure>;
}

/// What the emitter at `index` signals in `round`.
const fn payload(index: usize, round: u64) -> u64 {
    index as u64 + round
}

/// Where a consumer hands in what it got, for the driver to check.
#[derive(Clone, Debug)]
struct Outlet(UnboundedSender<Tally>);

/// The payloads of a round, counted and added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    count: usize,
    sum: u64,
}

impl Outlet {
    fn new() -> (Self, UnboundedReceiver<Tally>) {
        let (sender, tallies) = unbounded_channel();
        (Self(sender), tallies)
    }

    /// Takes the payloads of one round; of a cancelled round, those that came.
    fn accept(&self, payloads: impl IntoIterator<Item = u64>) {
        let add = |tally: Tally, payload| Tally { count: tally.count + 1, sum: tally.sum + payload };
        // The driver only leaves before the consumer if it found a fault, which it reports.
        let _ = self.0.send(payloads.into_iter().fold(Tally::default(), add));
    }
}

impl Tally {
    /// What has to arrive when nothing is lost, old or doubled.
    fn expected(n: usize, round: u64) -> Self {
        Self { count: n, sum: (0..n).map(|index| payload(index, round)).sum() }
    }
}

const fn contestant<C: Contestant>() -> harness::Contestant {
    harness::Contestant {
        name: C::NAME,
        run: |n, rounds| {
            let spent = System::new().block_on(async move { actix::spawn(drive::<C>(n, rounds)).await? })?;
            Ok(spent.into())
        },
    }
}

/// Sets up, warms up with a tenth of the rounds, and returns the CPU time of the `rounds` after it.
async fn drive<C: Contestant>(n: usize, rounds: u64) -> Result<Duration, Failure> {
    let (outlet, mut tallies) = Outlet::new();
    let mut contestant = C::set_up(n, outlet).await?;
    let warm_up = rounds.div_ceil(10);

    let mut begin = Duration::ZERO;
    for round in 0..warm_up + rounds {
        if round == warm_up {
            begin = cpu_time();
        }
        contestant.round(round).await?;
        let tally = tallies.recv().await.ok_or("the consumer has gone")?;
        let expected = Tally::expected(n, round);
        if tally != expected {
            return Err(format!("round {round} brought {tally:?}, not {expected:?}").into());
        }
    }
    Ok(cpu_time() - begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_brings_every_payload_of_every_round() {
        for contestant in WORK.contestants {
            for n in [1, 2, 300] {
                let outcome = (contestant.run)(n, 20);
                assert!(outcome.is_ok(), "{} with n = {n}: {outcome:?}", contestant.name);
            }
        }
    }

    /// A contestant that passes off the first round's payloads as those of each.
    struct Cheat(Outlet);

    impl Contestant for Cheat {
        const NAME: &'static str = "cheat";

        async fn set_up(_: usize, outlet: Outlet) -> Result<Self, Failure> {
            Ok(Self(outlet))
        }

        async fn round(&mut self, _: u64) -> Result<(), Failure> {
            self.0.accept([payload(0, 0), payload(1, 0)]);
            Ok(())
        }
    }

    #[test]
    fn an_old_payload_is_found_out() {
        let outcome = (contestant::<Cheat>().run)(2, 5).map_err(|failure| failure.to_string());
        assert!(outcome.is_err_and(|failure| failure.starts_with("round 1 brought")));
    }
}
