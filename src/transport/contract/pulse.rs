//! When a server last said anything: the one measure by which a worker knows a silent server from one that has nothing.
//!
//! `Source: the server answers → Pulse::beat`, `worker, on any thread → Pulse::since`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When the server behind a [`Source`](super::Source) last said anything. Clones share it.
///
/// A source has one for as long as it lives, beats it whenever it has read something that the server has sent, be it that
/// nothing waits, a heartbeat, or the answer to a settlement, and never for a time-out of its own. While a worker has
/// room and the server says nothing for longer than it may be silent, the worker is not healthy.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    began: Instant,
    /// In milliseconds since it began.
    last: AtomicU64,
    /// In milliseconds.
    silence: AtomicU64,
}

impl Pulse {
    /// Makes one of a server that owes a word within this time from when it is asked for deliveries: 15 s for one that is
    /// asked again and again, and its wait and 10 s for one that answers after a wait of its own.
    pub fn new(silence: Duration) -> Self {
        let beats = Beats { began: Instant::now(), last: AtomicU64::new(0), silence: AtomicU64::new(0) };
        let pulse = Self(Arc::new(beats));
        pulse.set_silence(silence);
        pulse
    }

    /// Says that the server has just said something.
    pub fn beat(&self) {
        self.0.last.fetch_max(millis(self.0.began.elapsed()), Ordering::Relaxed);
    }

    /// Returns how long ago the server said something; if it never has, how long ago this was made.
    pub fn since(&self) -> Duration {
        let last = Duration::from_millis(self.0.last.load(Ordering::Relaxed));
        self.0.began.elapsed().saturating_sub(last)
    }

    /// Returns how long the server may be silent while it is asked.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.0.silence.load(Ordering::Relaxed))
    }

    /// Sets how long the server may be silent while it is asked, for a source that learns its wait later.
    pub fn set_silence(&self, silence: Duration) {
        self.0.silence.store(millis(silence), Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
