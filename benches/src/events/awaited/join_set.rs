//! "tokio JoinSet": no bus. A task for each listener and event, on the driver's thread.
//!
//! ```text
//! driver ─spawn_local─> task × n ─join_next─> driver
//! ```
//!
//! That is the way to keep a panic of one from the others that tokio itself offers. Each task gets an `Arc` of the event.

use std::rc::Rc;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ear, Ears, Tick};
use crate::harness::Failure;

/// The contestant.
pub(super) struct Tasks {
    ears: Vec<Rc<Ear>>,
}

impl Contestant for Tasks {
    const NAME: &'static str = "tokio JoinSet";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { ears: ears.map(Rc::new).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        let tick = Arc::new(tick);
        let mut tasks = JoinSet::new();
        for ear in &self.ears {
            let (ear, tick) = (Rc::clone(ear), Arc::clone(&tick));
            tasks.spawn_local(async move { ear.hear(&tick) });
        }
        while let Some(heard) = tasks.join_next().await {
            heard?;
        }
        Ok(())
    }
}
