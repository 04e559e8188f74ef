//! What all queues of one file share within this process: one writes at a time, who waits is woken, and a file that is gone
//! is let go by all before one of them makes a new one.
//!
//! `publish, settle, receive → Hub::gate → SQLite`, `publish → Hub::ring → Bell → receive`, `Store::reopen → Hub::let_go`

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::Notify;

use super::standing::{CLOSING, Moved, Standing};

/// Wakes those who wait for deliveries of one group.
pub(crate) type Bell = Arc<Notify>;

/// At most so many are woken by one publish: each that finds a full hand wakes the next.
const MOST_WOKEN: usize = 32;

static HUBS: Mutex<Option<HashMap<PathBuf, Weak<Hub>>>> = Mutex::new(None);

/// One file within this process. SQLite lets one write at a time, and who has to wait there waits by sleeping longer and
/// longer; here they wait in a row.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    pub(super) gate: tokio::sync::Mutex<()>,
    /// By queue and group.
    bells: Mutex<HashMap<String, HashMap<String, Bell>>>,
    /// What each handle has open.
    standings: Mutex<Vec<Weak<Standing>>>,
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

    /// Adds what another handle has open.
    pub(super) fn enter(&self, standing: &Arc<Standing>) {
        let mut standings = lock(&self.standings);
        standings.retain(|standing| standing.strong_count() > 0);
        standings.push(Arc::downgrade(standing));
    }

    /// Has every handle close what it has of a file that is gone: a connection that is closed last takes the log at the path
    /// away, whoever has made it. The gate has to be held. Each opens anew by itself, unless it is renewed before.
    ///
    /// # Errors
    ///
    /// If one is at work for longer than this waits: nothing may be made at the path before.
    pub(super) async fn let_go(&self) -> Result<Vec<Arc<Standing>>, Moved> {
        let all = self.standings();
        // Who reads waits for the gate from now on.
        all.iter().for_each(|standing| standing.note_moved());
        let end = Instant::now() + CLOSING;
        for standing in &all {
            if !standing.close(end).await {
                return Err(Moved::Held);
            }
        }
        all.iter().for_each(|standing| standing.end_connections());
        Ok(all)
    }

    /// Returns what is open now, by every handle.
    pub(super) fn standings(&self) -> Vec<Arc<Standing>> {
        lock(&self.standings).iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn bell(&self, queue: &str, group: &str) -> Bell {
        let mut bells = lock(&self.bells);
        bells.entry(queue.to_owned()).or_default().entry(group.to_owned()).or_default().clone()
    }

    /// Tells every group of a queue that so much more is there.
    pub(crate) fn ring(&self, queue: &str, count: usize) {
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
