//! "tokio mutex + notify": no actors and no channel. Emitters write into the round themselves.
//!
//! ```text
//! emitter × n ─lock, insert─> the round ─notify at the last─> coordinator, under timeout ─> outlet
//! ```
//!
//! The least that a round can be: shared memory, one wake-up, nobody is asked. A lock that is never
//! held across an `.await` might as well be std's; tokio's is what stands beside its `Notify`.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};
use tokio::task::spawn_local;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Contestant, Outlet, TIMEOUT, payload};
use crate::harness::Failure;

/// The contestant.
pub(super) struct TokioNotify {
    emitters: Vec<Emitter>,
    outlet: Outlet,
}

impl Contestant for TokioNotify {
    const NAME: &'static str = "tokio mutex + notify";

    async fn set_up(n: usize, outlet: Outlet) -> Result<Self, Failure> {
        let emitters = (0..n).map(|_| Emitter { id: Uuid::now_v7() }).collect();
        Ok(Self { emitters, outlet })
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        let open = Arc::new(Round::new(self.emitters.len()));
        spawn_local(coordinate(Arc::clone(&open), self.outlet.clone()));
        for (index, emitter) in self.emitters.iter().enumerate() {
            emitter.emit(&open, payload(index, round)).await;
        }
        Ok(())
    }
}

/// A party of every round.
struct Emitter {
    id: Uuid,
}

impl Emitter {
    async fn emit(&self, round: &Round, payload: u64) {
        let mut payloads = round.payloads.lock().await;
        payloads.insert(self.id, payload);
        if payloads.len() == round.expected {
            round.complete.notify_one();
        }
    }
}

/// One round.
struct Round {
    expected: usize,
    payloads: Mutex<HashMap<Uuid, u64>>,
    complete: Notify,
}

impl Round {
    fn new(expected: usize) -> Self {
        Self { expected, payloads: Mutex::new(HashMap::with_capacity(expected)), complete: Notify::new() }
    }
}

async fn coordinate(round: Arc<Round>, outlet: Outlet) {
    // Too late or complete: what has come goes to the consumer.
    let _ = timeout(TIMEOUT, round.complete.notified()).await;
    let payloads = std::mem::take(&mut *round.payloads.lock().await);
    outlet.accept(payloads.into_values());
}
