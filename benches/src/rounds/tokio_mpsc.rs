//! "tokio mpsc + timeout": no actors. A task for each round gathers signals from a channel.
//!
//! ```text
//! emitter × n ─Signal─> mpsc ─> coordinator, under timeout ─> outlet
//! ```
//!
//! The channel belongs to the round, so that a late signal cannot end in the next one; with room for
//! everybody's signal, no emitter waits. Nobody is asked.

use std::collections::HashMap;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_local;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Contestant, Outlet, TIMEOUT, payload};
use crate::harness::Failure;

/// The contestant.
pub(super) struct TokioMpsc {
    emitters: Vec<Emitter>,
    outlet: Outlet,
}

impl Contestant for TokioMpsc {
    const NAME: &'static str = "tokio mpsc + timeout";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let emitters = (0..n).map(|_| Emitter { id: Uuid::now_v7() }).collect();
        Ok(Self { emitters, outlet })
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        let expected = self.emitters.len();
        let (signals, arriving) = channel(expected);
        spawn_local(coordinate(arriving, expected, self.outlet.clone()));
        for (index, emitter) in self.emitters.iter().enumerate() {
            emitter.emit(&signals, payload(index, round)).await?;
        }
        Ok(())
    }
}

/// A party of every round.
struct Emitter {
    id: Uuid,
}

impl Emitter {
    async fn emit(&self, signals: &Sender<Signal>, payload: u64) -> Result<(), Failure> {
        signals.send(Signal { emitter: self.id, payload }).await?;
        Ok(())
    }
}

/// What travels through the channel.
struct Signal {
    emitter: Uuid,
    payload: u64,
}

/// One round.
async fn coordinate(mut signals: Receiver<Signal>, expected: usize, outlet: Outlet) {
    let mut payloads = HashMap::with_capacity(expected);
    let gather = async {
        while payloads.len() < expected {
            let Some(Signal { emitter, payload }) = signals.recv().await else {
                break;
            };
            payloads.insert(emitter, payload);
        }
    };
    // Too late or complete: what has come goes to the consumer.
    let _ = timeout(TIMEOUT, gather).await;
    outlet.accept(payloads.into_values());
}
