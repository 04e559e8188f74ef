//! Memory: what a subscriber weighs, with all that it needs to hear: its actor, task or closure, and its subscription.
//!
//! ```text
//! parent ── starts itself ──> a fresh process: memory now; n subscribers, one event; memory then ── a line of JSON ──> parent
//! ```
//!
//! What counts are the pages that the process has written to, with all that the allocator adds and wastes. An
//! allocator that counts would be exact, but then it would count in every other work as well, a few nanoseconds for each
//! allocation. Each sample is a process of its own, so that nobody fills the holes that another has left; a
//! thousand subscribers and more make the page, which is the unit of this balance, small enough.
//!
//! `cpu_ns` is the CPU time to start and subscribe, per subscriber, with the one event. Rounds are of no importance.
//!
//! `events-memory-here` weighs in the process itself, so that a profiler of the heap can look on; by one contestant and
//! with one sample.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::driver::{Contestant, on_arbiter};
use super::fan_out::{
    ActixBroker, Actors, Async, Broadcast, Emitted, PlainArc, Port, PubSub, Published, Recipients, Services, Sync,
};
use super::place::Place;
use super::tally::{Due, Tally, Tick};
use crate::figure::{Cost, Figure, cpu_time};
use crate::harness::{self, Failure, Work};

/// Each sample in a fresh process.
pub(super) const WORK: Work = Work {
    name: "events-memory",
    contestants: &[
        apart::<Emitted<Sync>>(),
        apart::<Published<Sync>>(),
        apart::<Emitted<Async>>(),
        apart::<Published<Async>>(),
        apart::<Published<Actors>>(),
        apart::<Published<Services>>(),
        apart::<ActixBroker>(),
        apart::<Recipients>(),
        apart::<PubSub>(),
        apart::<Port>(),
        apart::<Broadcast>(),
        apart::<PlainArc>(),
    ],
    ..HERE
};

/// In this process.
pub(crate) const HERE: Work = Work {
    name: "events-memory-here",
    unit: "subscriber",
    figure: Figure::Memory,
    baseline: ActixBroker::NAME,
    sizes: &[10_000],
    burst: 1,
    // One round.
    sample: 1,
    contestants: &[
        here::<Emitted<Sync>>(),
        here::<Published<Sync>>(),
        here::<Emitted<Async>>(),
        here::<Published<Async>>(),
        here::<Published<Actors>>(),
        here::<Published<Services>>(),
        here::<ActixBroker>(),
        here::<Recipients>(),
        here::<PubSub>(),
        here::<Port>(),
        here::<Broadcast>(),
        here::<PlainArc>(),
    ],
};

const fn here<C: Contestant>() -> harness::Contestant {
    harness::Contestant {
        name: C::NAME,
        run: |n, rounds| on_arbiter(async move { Ok(times(rounds, weigh::<C>(n).await?)) }),
    }
}

const fn apart<C: Contestant>() -> harness::Contestant {
    harness::Contestant { name: C::NAME, run: |n, rounds| Ok(times(rounds, weigh_apart(C::NAME, n)?)) }
}

/// The harness divides by the rounds, but subscribing happens once.
fn times(rounds: u64, Cost { cpu, bytes }: Cost) -> Cost {
    Cost { cpu: cpu.mul_f64(rounds as f64), bytes: bytes.map(|bytes| bytes * rounds) }
}

/// What `n` subscribers take, once they have heard an event.
async fn weigh<C: Contestant>(n: usize) -> Result<Cost, Failure> {
    let (tally, place) = (Tally::new(), Place::here());
    let (written, begin) = (written_memory()?, cpu_time());

    let mut contestant = C::set_up(tally.ears(n), &place).await?;
    let (tick, mut due) = (Tick::new(1), Due::default());
    due.add(tick, n as u64);
    contestant.publish(tick).await?;
    tally.reach(due.heard).await;

    let cpu = cpu_time() - begin;
    tally.check(&due)?;
    Ok(Cost { cpu, bytes: Some(written_memory()?.saturating_sub(written)) })
}

/// The same in a fresh process.
fn weigh_apart(contestant: &str, n: usize) -> Result<Cost, Failure> {
    let n_text = n.to_string();
    let output = Command::new(std::env::current_exe()?)
        .args([HERE.name, "--json", "--samples", "1", "--rounds", "1", "--only", contestant, "--n", &n_text])
        .stderr(Stdio::inherit())
        .output()?;
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| "its process gave no figures")?;
    let total = |key: &str| row[key].as_f64().map(|figure| figure * n as f64);
    let cpu = total("cpu_ns").ok_or("its process gave no time")?;
    let bytes = total("bytes").ok_or("its process gave no bytes")?;
    Ok(Cost { cpu: Duration::from_secs_f64(cpu / 1e9), bytes: Some(bytes as u64) })
}

/// The bytes of this process that are backed by memory and by no file: heap and stacks, as far as they were written to.
///
/// # Errors
///
/// If the system does not tell; Linux does.
#[cfg(target_os = "linux")]
pub(crate) fn written_memory() -> Result<u64, Failure> {
    // In a huge page, memory that was never written to would count.
    rustix::thread::disable_transparent_huge_pages(true)?;
    // Unlike the counters in `statm`, which lag behind, this walks through the pages.
    let account = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = account.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kilobytes| kilobytes.parse::<u64>().ok());
    Ok(1024 * kilobytes.ok_or("no line Anonymous in /proc/self/smaps_rollup")?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn written_memory() -> Result<u64, Failure> {
    Err("only Linux tells how much memory a process has written to".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a page for each subscriber.
    struct Hoarder(Vec<super::super::tally::Ear>, #[expect(dead_code)] Vec<Vec<u8>>);

    impl Contestant for Hoarder {
        const NAME: &'static str = "hoarder";

        async fn set_up(ears: super::super::tally::Ears, _: &Place) -> Result<Self, Failure> {
            let ears: Vec<_> = ears.collect();
            let pages = ears.iter().map(|_| vec![1; 1 << 16]).collect();
            Ok(Self(ears, pages))
        }

        async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
            self.0.iter().for_each(|ear| ear.hear(&tick));
            Ok(())
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_kept_for_each_subscriber_is_weighed() -> Result<(), Failure> {
        let cost = (here::<Hoarder>().run)(200, 1)?;
        let each = cost.bytes.ok_or("no bytes")? / 200;
        assert!((60_000..80_000).contains(&each), "{each} bytes");
        Ok(())
    }
}
