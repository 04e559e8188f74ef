//! "tokio broadcast": no actors; every subscriber a task that reads a broadcast channel.
//!
//! ```text
//! driver ─send─> broadcast ─recv─> task × n
//! ```
//!
//! The channel has room for a burst: who lags behind it loses events. Each receiver clones the event out of the
//! channel, by itself.

use std::time::Duration;

use tokio::sync::broadcast::{Sender, channel};

use super::super::driver::{Contestant, Course, drive, on_runtime};
use super::super::place::Place;
use super::super::tally::{Ears, Tick};
use super::EVENTS;
use crate::harness::Failure;

/// The contestant.
pub(in super::super) struct Broadcast {
    sender: Sender<Tick>,
}

impl Contestant for Broadcast {
    const NAME: &'static str = "tokio broadcast";

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        let (sender, _) = channel(EVENTS as usize);
        for ear in ears {
            let mut receiver = sender.subscribe();
            place.runtime.spawn(async move {
                while let Ok(tick) = receiver.recv().await {
                    ear.hear(&tick);
                }
            });
        }
        Ok(Self { sender })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.sender.send(tick)?;
        Ok(())
    }

    fn run<C: Course>(n: usize, rounds: u64) -> Result<Duration, Failure> {
        on_runtime(drive::<Self, C>(n, rounds))
    }
}
