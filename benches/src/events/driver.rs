//! The driver: publishes, waits until everybody has heard, checks, and goes on.
//!
//! ```text
//! driver ── publish × burst ──> contestant ──> subscriber × n ──> tally ── all heard ──> driver
//! ```
//!
//! On one thread it counts the CPU time of that thread; with subscribers on another arbiter, that of the process, which
//! is both of them. The driver is a task of the runtime, as the code of an application is: of actix's `LocalSet` for
//! those who are at home there, of the runtime itself for contestants that are plain tokio.

use std::sync::Arc;
use std::time::Duration;

use actix::System;
use tokio::time::sleep;

use super::place::Place;
use super::tally::{Due, Ears, Tally, Tick};
use crate::figure::{cpu_time, process_cpu_time};
use crate::harness::{self, Failure};

/// After this time, far more than any sample takes, what has not been heard is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to tell subscribers of an event.
pub(super) trait Contestant: Sized + 'static {
    /// The name in the table.
    const NAME: &'static str;

    /// Sets up a subscriber for each of the ears, at that place. Whatever is published afterwards reaches all of them.
    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure>;

    /// Publishes an event. Unless the course says so, this need not wait until it has been heard.
    async fn publish(&mut self, tick: Tick) -> Result<(), Failure>;

    /// Runs the driver; a contestant that is plain tokio says `on_runtime` here.
    fn run<C: Course>(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_arbiter(drive::<Self, C>(n, rounds))
    }
}

/// What the driver does in a round.
pub(super) trait Course: 'static {
    /// Events before the driver waits.
    const BURST: u64 = 1;
    /// Whether the subscribers live on another arbiter.
    const ACROSS: bool = false;
    /// Whether all have heard an event when `publish` returns.
    const AWAITED: bool = false;
}

/// An entry of a work's list.
pub(super) const fn contestant<C: Contestant, K: Course>() -> harness::Contestant {
    harness::Contestant { name: C::NAME, run: |n, rounds| Ok(C::run::<K>(n, rounds)?.into()) }
}

/// Runs this as a task of an actix `System`.
pub(crate) fn on_arbiter<T: 'static>(driver: impl Future<Output = Result<T, Failure>> + 'static) -> Result<T, Failure> {
    System::new().block_on(async move { actix::spawn(driver).await? })
}

/// Runs this as a task of the runtime beneath an actix `System`.
pub(super) fn on_runtime<T: Send + 'static>(
    driver: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    System::new().block_on(async move { tokio::spawn(driver).await? })
}

/// Sets up, warms up with a tenth of the rounds, and returns the CPU time of the `rounds` after it.
pub(super) async fn drive<C: Contestant, K: Course>(n: usize, rounds: u64) -> Result<Duration, Failure> {
    let clock = if K::ACROSS { process_cpu_time } else { cpu_time };
    let place = if K::ACROSS { Place::across().await? } else { Place::here() };
    let tally = Tally::new();
    // A task of its own, because a timeout around each wait would be part of what is measured.
    tokio::spawn(watch(Arc::clone(&tally)));
    let mut contestant = C::set_up(tally.ears(n), &place).await?;

    let warm_up = rounds.div_ceil(10);
    let (mut begin, mut due) = (Duration::ZERO, Due::default());
    for round in 0..warm_up + rounds {
        if round == warm_up {
            begin = clock();
        }
        if K::ACROSS {
            tally.announce(due.heard + K::BURST * n as u64);
        }
        for event in 0..K::BURST {
            let tick = Tick::new(round * K::BURST + event);
            due.add(tick, n as u64);
            contestant.publish(tick).await?;
        }
        if !K::AWAITED {
            tally.reach(due.heard).await;
        }
        tally.check(&due).map_err(|failure| format!("round {round}: {failure}"))?;
    }
    Ok(clock() - begin)
}

async fn watch(tally: Arc<Tally>) {
    sleep(PATIENCE).await;
    tally.give_up();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tally::Ear;

    struct Once;
    impl Course for Once {}

    struct Awaited;
    impl Course for Awaited {
        const AWAITED: bool = true;
    }

    /// Tells the first subscriber in everybody's stead.
    struct Cheat(Vec<Ear>);

    impl Contestant for Cheat {
        const NAME: &'static str = "cheat";

        async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
            Ok(Self(ears.collect()))
        }

        async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
            self.0.iter().for_each(|_| self.0[0].hear(&tick));
            Ok(())
        }
    }

    /// Says that everybody has heard it, and only then tells them.
    struct Hasty(Arc<[Ear]>);

    impl Contestant for Hasty {
        const NAME: &'static str = "hasty";

        async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
            Ok(Self(ears.collect()))
        }

        async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
            let ears = Arc::clone(&self.0);
            actix::spawn(async move { ears.iter().for_each(|ear| ear.hear(&tick)) });
            Ok(())
        }
    }

    #[test]
    fn who_tells_one_in_the_stead_of_all_is_found_out() {
        let outcome = Cheat::run::<Once>(3, 5).map_err(|failure| failure.to_string());
        assert!(outcome.is_err_and(|failure| failure.starts_with("round 0: heard")));
    }

    #[test]
    fn who_is_to_be_awaited_cannot_come_back_early() {
        assert!(Hasty::run::<Once>(3, 5).is_ok());
        assert!(Hasty::run::<Awaited>(3, 5).is_err());
    }
}
