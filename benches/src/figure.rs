//! The figures: what a sample took, by which clock, and what the rows of a work are compared by.
//!
//! ```text
//! contestant ── Cost (CPU time, bytes) ──> harness.rs (medians) ── Figure ──> report.rs, chart.rs
//! ```

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What the rows of a work are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time per unit, in nanoseconds.
    CpuTime,
    /// Memory per unit, in bytes.
    Memory,
}

impl Figure {
    /// What a column shows: "CPU time per emitter in ns".
    pub(crate) fn per(self, unit: &str) -> String {
        match self {
            Self::CpuTime => format!("CPU time per {unit} in ns"),
            Self::Memory => format!("memory per {unit} in bytes"),
        }
    }

    /// What a ratio of 2 says twice.
    pub(crate) const fn how_many_times(self) -> &'static str {
        match self {
            Self::CpuTime => "how many times as fast as",
            Self::Memory => "how many times as small as",
        }
    }

    /// What stands behind a figure.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::CpuTime => "ns",
            Self::Memory => "B",
        }
    }
}

/// What the rounds of a sample took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    /// Only where memory is what counts.
    pub(crate) bytes: Option<u64>,
}

impl From<Duration> for Cost {
    fn from(cpu: Duration) -> Self {
        Self { cpu, bytes: None }
    }
}

/// The CPU time this thread has used so far.
pub(crate) fn cpu_time() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// The CPU time all threads of this process have used so far, for a work that two of them do.
pub(crate) fn process_cpu_time() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    // Both clocks count up from the start: they are never negative.
    Duration::try_from(clock_gettime(id)).unwrap_or_default()
}
