//! What all queues of one file share within this process: one writes at a time, and who waits is woken.
//!
//! `publish, settle, receive → Hub::gate → SQLite`, `publish → Hub::ring → Bell → receive`

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// Wakes those who wait for deliveries of one group.
pub(super) type Bell = Arc<Notify>;

/// At most so many are woken by one publish: each that finds a full hand wakes the next.
const MOST_WOKEN: usize = 32;

static HUBS: Mutex<Option<HashMap<PathBuf, Weak<Hub>>>> = Mutex::new(None);

/// One file within this process. SQLite lets one write at a time, and who has to wait there waits by sleeping longer and
/// longer; here they wait in a row.
#[derive(Debug, Default)]
pub(super) struct Hub {
    pub(super) gate: tokio::sync::Mutex<()>,
    /// By queue and group.
    bells: Mutex<HashMap<String, HashMap<String, Bell>>>,
}

impl Hub {
    /// Returns the one for this file.
    pub(super) fn of(file: &Path) -> Arc<Self> {
        let mut hubs = lock(&HUBS);
        let hubs = hubs.get_or_insert_default();
        hubs.retain(|_, hub| hub.strong_count() > 0);
        if let Some(hub) = hubs.get(file).and_then(Weak::upgrade) {
            return hub;
        }
        let hub = Arc::default();
        hubs.insert(file.to_owned(), Arc::downgrade(&hub));
        hub
    }

    pub(super) fn bell(&self, queue: &str, group: &str) -> Bell {
        let mut bells = lock(&self.bells);
        bells.entry(queue.to_owned()).or_default().entry(group.to_owned()).or_default().clone()
    }

    /// Tells every group of a queue that so much more is there.
    pub(super) fn ring(&self, queue: &str, count: usize) {
        if let Some(bells) = lock(&self.bells).get(queue) {
            for bell in bells.values() {
                (0..count.min(MOST_WOKEN)).for_each(|_| bell.notify_one());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
