//! "plain calls": a vector of closures, called one after the other; the least that any bus can cost.
//!
//! ```text
//! driver ─call─> closure × n
//! ```
//!
//! Once with the event by reference, and once with an `Arc` of it for each closure. Across arbiters a channel
//! brings the `Arc` over, once for all closures.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::super::driver::Contestant;
use super::super::place::Place;
use super::super::tally::{Ears, Tick};
use crate::harness::Failure;

type Listener = Box<dyn Fn(&Tick)>;
type ArcListener = Box<dyn Fn(Arc<Tick>)>;

/// Called with a reference.
pub(super) struct Plain {
    listeners: Vec<Listener>,
}

impl Contestant for Plain {
    const NAME: &'static str = "plain calls";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { listeners: ears.map(|ear| Box::new(move |tick: &Tick| ear.hear(tick)) as Listener).collect() })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        for listener in &self.listeners {
            listener(&tick);
        }
        Ok(())
    }
}

fn listeners(ears: Ears) -> Vec<ArcListener> {
    ears.map(|ear| Box::new(move |tick: Arc<Tick>| ear.hear(&tick)) as ArcListener).collect()
}

fn call(listeners: &[ArcListener], tick: &Arc<Tick>) {
    for listener in listeners {
        listener(Arc::clone(tick));
    }
}

/// Called with an `Arc`.
pub(in super::super) struct PlainArc {
    listeners: Vec<ArcListener>,
}

impl Contestant for PlainArc {
    const NAME: &'static str = "plain calls, Arc";

    async fn set_up(ears: Ears, _: &Place) -> Result<Self, Failure> {
        Ok(Self { listeners: listeners(ears) })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        call(&self.listeners, &Arc::new(tick));
        Ok(())
    }
}

/// Called with an `Arc` by a task on the other arbiter.
pub(super) struct PlainAcross {
    sender: UnboundedSender<Arc<Tick>>,
}

impl Contestant for PlainAcross {
    const NAME: &'static str = "plain calls, Arc by tokio mpsc";

    async fn set_up(ears: Ears, place: &Place) -> Result<Self, Failure> {
        let (sender, mut receiver) = unbounded_channel();
        let read = move || async move {
            let listeners = listeners(ears);
            actix::spawn(async move {
                while let Some(tick) = receiver.recv().await {
                    call(&listeners, &tick);
                }
            });
        };
        place.run(read).await?;
        Ok(Self { sender })
    }

    async fn publish(&mut self, tick: Tick) -> Result<(), Failure> {
        self.sender.send(Arc::new(tick))?;
        Ok(())
    }
}
