//! What is logged while the tests of this binary run: one log for all of them, for a process has but one.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What was written, and by which target.
struct Log(Mutex<Vec<(String, String)>>);

static LOG: Log = Log(Mutex::new(Vec::new()));

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Log {
    /// Of clients not their traces, which have whole requests.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("convoke") || metadata.level() < log::Level::Trace
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}: {}\n", record.level(), record.target(), record.args());
            self.lines().push((record.target().to_owned(), line));
        }
    }

    fn flush(&self) {}
}

/// Listens from now on.
pub(crate) fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        log::set_logger(&LOG).expect("nobody else in this binary has a logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// All that was written since somebody listens.
pub(crate) fn logged() -> String {
    LOG.lines().iter().map(|(_, line)| line.as_str()).collect()
}

/// What our own targets have written.
pub(crate) fn logged_by_us() -> String {
    let lines = LOG.lines();
    lines.iter().filter(|(target, _)| target.starts_with("convoke")).map(|(_, line)| line.as_str()).collect()
}
