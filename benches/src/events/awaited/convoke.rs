//! "convoke": async listeners on a bus, by `emit`.
//!
//! ```text
//! driver ─emit─> listener × n ─Report─> driver
//! ```
//!
//! Each listener gets an `Arc` of the event. The names and the panic guard are always there; "bare" looks at nothing,
//! "with report" at how each listener fared, by name.

use std::sync::Arc;

use convoke::prelude::*;

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ears, Tick};
use crate::harness::Failure;

/// Listeners that return nothing, and nobody looks at the report.
pub(super) struct Bare(EventBus);

impl Contestant for Bare {
    const NAME: &'static str = "convoke, bare";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        let bus = EventBus::default();
        for ear in ears {
            bus.on(async move |tick: Arc<Tick>| ear.hear(&tick))?.forever();
        }
        Ok(Self(bus))
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.0.emit(tick).await;
        Ok(())
    }
}

/// Listeners with names that return a `Result`.
fn named(ears: Ears) -> Result<EventBus, Failure> {
    let bus = EventBus::default();
    for (index, ear) in ears.enumerate() {
        let listener = async move |tick: Arc<Tick>| {
            ear.hear(&tick);
            Ok::<_, Failure>(())
        };
        bus.on(listener.named(format!("listener {index}")))?.forever();
    }
    Ok(bus)
}

/// Listeners that return a `Result`, and nobody looks at the report.
pub(super) struct BareResult(EventBus);

impl Contestant for BareResult {
    const NAME: &'static str = "convoke, bare, of Result";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self(named(ears)?))
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.0.emit(tick).await;
        Ok(())
    }
}

/// Listeners that return a `Result`, and each is looked at in the report.
pub(super) struct WithReport(EventBus);

impl Contestant for WithReport {
    const NAME: &'static str = "convoke, with report";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self(named(ears)?))
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        let report = self.0.emit(tick).await;
        for result in report.iter() {
            if result.error.is_some() {
                return Err(result.to_string().into());
            }
        }
        if report.is_ok() { Ok(()) } else { Err(report.into()) }
    }
}
