//! A publisher that does what a test tells it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use convoke::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use convoke::{Envelope, EnvelopeLimits, codec};
use tokio::sync::watch;

use super::{Moved, until};

/// What it does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Take,
    Away,
    /// It is there, and its queue is not.
    Missing,
    /// It does not let us in.
    Denied,
    Panic,
    /// Waits until it has another mode.
    Hang,
    /// One in three is not taken for now.
    Moody,
}

#[derive(Clone)]
pub(crate) struct Taker(Arc<Inner>);

struct Inner {
    name: String,
    abilities: Abilities,
    mode: watch::Sender<Mode>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: Vec<Packet>,
    refused: Vec<u32>,
    calls: usize,
    random: u64,
}

impl Taker {
    pub(crate) fn new() -> Self {
        Self::with(Abilities::default())
    }

    pub(crate) fn with(abilities: Abilities) -> Self {
        let (mode, _) = watch::channel(Mode::Take);
        Self(Arc::new(Inner { name: "taker".into(), abilities, mode, state: Mutex::default() }))
    }

    /// Refuses the events of this step for good.
    pub(crate) fn refuse(&self, steps: impl IntoIterator<Item = u32>) {
        self.state().refused = steps.into_iter().collect();
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.mode.send_replace(mode);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.state().taken.clone()
    }

    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        let read = |packet: &Packet| codec::read(packet, EnvelopeLimits::default()).unwrap();
        self.state().taken.iter().map(read).collect()
    }

    /// Of each order its steps, as they were taken.
    pub(crate) fn steps(&self) -> HashMap<u32, Vec<u32>> {
        let mut steps = HashMap::<_, Vec<_>>::new();
        for envelope in self.envelopes() {
            let moved: Moved = serde_json::from_value(envelope.payload).unwrap();
            steps.entry(moved.order).or_default().push(moved.step);
        }
        steps
    }

    /// Waits until it has taken so many.
    pub(crate) async fn has(&self, count: usize) {
        until(&format!("{count} were taken"), async || self.state().taken.len() >= count).await;
        assert_eq!(self.state().taken.len(), count);
    }

    /// Waits until it was asked once more.
    pub(crate) async fn asked(&self) {
        let before = self.calls();
        until("it is asked", async || self.calls() > before).await;
    }
}

impl Publisher for Taker {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn abilities(&self) -> Abilities {
        self.0.abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            self.state().calls += 1;
            let mut mode = self.0.mode.subscribe();
            let mode = *mode.wait_for(|mode| *mode != Mode::Hang).await.unwrap();
            assert_ne!(mode, Mode::Panic, "as it was told");
            let mut state = self.state();
            let take = |packet: &Packet| {
                let error = |kind| Err(TransportError::new(kind, "taker", "as it was told"));
                state.random = state.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if mode == Mode::Away || (mode == Mode::Moody && (state.random >> 33).is_multiple_of(3)) {
                    return error(ErrorKind::Unreachable);
                }
                if mode == Mode::Missing {
                    return error(ErrorKind::Missing);
                }
                if mode == Mode::Denied {
                    return error(ErrorKind::Denied);
                }
                let step = codec::read(packet, EnvelopeLimits::default()).ok();
                let step = step.and_then(|envelope| envelope.payload.get("step")?.as_u64());
                if step.is_some_and(|step| state.refused.iter().any(|refused| u64::from(*refused) == step)) {
                    return error(ErrorKind::Refused);
                }
                state.taken.push(packet.clone());
                Ok(())
            };
            packets.iter().map(take).collect()
        })
    }
}
