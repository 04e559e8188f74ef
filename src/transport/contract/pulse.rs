//! When a server last said anything: the one measure by which a worker knows a silent server from one that has nothing.
//!
//! `Source: the server answers → Pulse::beat`, `worker, on any thread → Pulse::since`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Records when the server behind a [`Source`](super::Source) last sent anything. Clones share the record.
///
/// A source has one pulse for as long as it lives. It calls [`beat`](Self::beat) whenever it has read something from
/// the server, be it that nothing waits, a heartbeat, or the answer to a settlement. It never does so for a timeout of
/// its own. A worker is unhealthy if it has room for deliveries and the server is silent for longer than
/// [`silence`](Self::silence).
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
    /// Creates a pulse for a server that has to send something within this time after it was asked for deliveries. Use
    /// 15 s for a server that is asked again and again. For a server that answers after a wait of its own, use that
    /// wait and 10 s more.
    pub fn new(silence: Duration) -> Self {
        let beats = Beats { began: Instant::now(), last: AtomicU64::new(0), silence: AtomicU64::new(0) };
        let pulse = Self(Arc::new(beats));
        pulse.set_silence(silence);
        pulse
    }

    /// Records that the server has just sent something.
    pub fn beat(&self) {
        self.0.last.fetch_max(millis(self.0.began.elapsed()), Ordering::Relaxed);
    }

    /// Returns how long ago the server last sent something, or how long ago the pulse was created if it never has.
    pub fn since(&self) -> Duration {
        let last = Duration::from_millis(self.0.last.load(Ordering::Relaxed));
        self.0.began.elapsed().saturating_sub(last)
    }

    /// Returns how long the server may be silent after it was asked.
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.0.silence.load(Ordering::Relaxed))
    }

    /// Sets how long the server may be silent after it was asked, for a source that learns its wait later.
    pub fn set_silence(&self, silence: Duration) {
        self.0.silence.store(millis(silence), Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
