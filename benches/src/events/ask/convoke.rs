//! "convoke": the answerer is a closure on a bus, sync or async, and is asked by `request`.
//!
//! A question has a deadline, 30 s by default, and any number of answerers; the first answer counts.

use std::sync::Arc;

use convoke::prelude::*;

use super::super::tally::Tick;
use super::{Contestant, answer};
use crate::harness::Failure;

/// Asks an async answerer.
pub(super) struct Async(EventBus);

impl Contestant for Async {
    const NAME: &'static str = "convoke, async answerer";

    async fn set_up() -> Result<Self, Failure> {
        let bus = EventBus::default();
        bus.answer(async |tick: Arc<Tick>| Answer(answer(&tick)))?.forever();
        Ok(Self(bus))
    }

    async fn ask(&self, question: Tick) -> Result<u64, Failure> {
        Ok(self.0.request::<u64>(question).await?)
    }
}

/// Asks a sync answerer.
pub(super) struct Sync(EventBus);

impl Contestant for Sync {
    const NAME: &'static str = "convoke, sync answerer";

    async fn set_up() -> Result<Self, Failure> {
        let bus = EventBus::default();
        bus.answer(|tick: &Tick| Answer(answer(tick)))?.forever();
        Ok(Self(bus))
    }

    async fn ask(&self, question: Tick) -> Result<u64, Failure> {
        Ok(self.0.request::<u64>(question).await?)
    }
}
