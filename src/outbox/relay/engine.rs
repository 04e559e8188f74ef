//! The one task of a relay: its parts run side by side until it is told to end.
//!
//! `RelayService → Engine::run → { renewing.rs, track.rs, track.rs, figures } → the lanes are given back`

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::select;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::desk::Desk;
use super::health::Stats;
use super::holding::Holding;
use super::renewing::renew;
use super::track::{Poller, Track};
use super::way::Ways;
use crate::Uuid;
use crate::outbox::Rows;

/// How many batches are under way at once: while one is at a server, another is read.
const TRACKS: usize = 2;

/// How often it is counted what is there.
const COUNT: Duration = Duration::from_secs(15);

/// Beyond so many rows of a kind nobody counts.
pub(super) const COUNTED: u64 = 10_000;

/// How long it may take in the end to give the lanes back; else others wait for the end of the lease.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a relay goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) poll_every: Duration,
    pub(super) batch: usize,
    /// For how long lanes are lent.
    pub(super) lease: Duration,
}

/// What the parts of a relay have in common, on its one thread.
pub(super) struct Shared {
    pub(super) rows: Desk,
    pub(super) ways: Rc<Ways>,
    pub(super) holding: Holding,
    pub(super) stats: Arc<Stats>,
    pub(super) options: Options,
    pub(super) poller: Mutex<Poller>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ready when it is to end.
    pub(super) async fn stopping(&self) {
        let mut stop = self.stop.clone();
        // If whoever would say so is gone, it is dropped.
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for so long, or until it is to end.
    pub(super) async fn pause(&self, pause: Duration) {
        select! {
            () = sleep(pause) => {}
            () = self.stopping() => {}
        }
    }
}

/// A relay that is ready to run.
pub(super) struct Engine {
    shared: Shared,
    stop: watch::Sender<bool>,
}

impl Engine {
    pub(super) fn new(id: Uuid, rows: Arc<dyn Rows>, ways: Rc<Ways>, stats: Arc<Stats>, options: Options) -> Self {
        let (stop, receiver) = watch::channel(false);
        let rows = Desk::new(id, rows);
        let poller = Mutex::new(Poller::new(rows.bell()));
        let holding = Holding::new();
        Self { shared: Shared { rows, ways, holding, stats, options, poller, stop: receiver }, stop }
    }

    /// Tells it to end.
    pub(super) fn stop(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }

    /// Runs until it is told to end.
    pub(super) async fn run(self) {
        let shared = &self.shared;
        let _runs = Runs::begin(&shared.stats);
        let (end, ended) = watch::channel(false);
        let tracks = async {
            join_all((0..TRACKS).map(|number| Track::new(shared, number).run())).await;
            end.send_replace(true);
        };
        select! {
            biased;
            _ = join(tracks, renew(shared, ended)) => {}
            () = count(shared) => {}
        }
        shared.holding.lose();
        match timeout(LAST_WORDS, shared.rows.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::debug!(target: "convoke::relay", "the lanes come free by themselves: {error}"),
            Err(_) => {
                log::debug!(target: "convoke::relay", "{}: the lanes come free by themselves", shared.rows.name())
            }
        }
    }
}

/// Has the probe say that it runs, until this is dropped: by a panic as well, after which nobody may start it again.
struct Runs<'a>(&'a Stats);

impl<'a> Runs<'a> {
    fn begin(stats: &'a Stats) -> Self {
        stats.begin();
        Self(stats)
    }
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Counts what is there, now and then.
async fn count(shared: &Shared) {
    loop {
        match shared.rows.figures(COUNTED).await {
            Ok(figures) => shared.stats.counted(figures),
            Err(error) => shared.stats.lost_database(&error),
        }
        sleep(COUNT).await;
    }
}
