//! How far apart the clocks of this machine and of the server are.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::finding::Finding;

/// What two clocks may differ by. Leases and deadlines go by the server's alone; times that an application names go by its own.
const MOST: f64 = 1.0;

/// When the server was asked, and how long its answer took.
pub(super) struct Asked {
    at: SystemTime,
}

impl Asked {
    pub(super) fn now() -> Self {
        Self { at: SystemTime::now() }
    }

    /// What it means that the server has said this time, in seconds since 1970: somewhere between the question and the answer.
    pub(super) fn answered(&self, server: f64) -> Finding {
        let took = self.at.elapsed().unwrap_or_default();
        let began = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        judge(began, took, server)
    }
}

fn judge(began: Duration, took: Duration, server: f64) -> Finding {
    let (began, took) = (began.as_secs_f64(), took.as_secs_f64());
    let apart = server - (began + took / 2.0);
    // By what is certain alone: the answer may have been given at any moment in between.
    let certain = apart.abs() - took / 2.0;
    let ahead = if apart > 0.0 { "ahead of" } else { "behind" };
    Finding::held(
        certain <= MOST,
        "clock",
        "the clocks of the server and of this machine agree",
        format!("the server's clock is {:.1} s {ahead} this machine's", apart.abs()),
        "set both by a time server: times that an application names, such as `at` of a task, mean another moment there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Gravity;

    #[test]
    fn an_answer_that_took_long_says_less() {
        let now = Duration::from_secs(1_000_000);
        let of = |took: f64, server: f64| judge(now, Duration::from_secs_f64(took), server).gravity();
        assert_eq!(of(0.01, 1_000_000.4), Gravity::Right);
        assert_eq!(of(0.01, 1_000_002.0), Gravity::Risk);
        assert_eq!(of(0.01, 999_998.0), Gravity::Risk);
        assert_eq!(of(8.0, 1_000_008.0), Gravity::Right);
    }
}
