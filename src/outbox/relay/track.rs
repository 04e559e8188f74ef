//! One of those who have rows leave, side by side: each has lanes of its own while it is at work on them.
//!
//! `claim → Rows::take (what has left is deleted, the next is read) → Batch::run → what has left`,
//! `nothing → whoever polls: a bell, or the clock → take`

use std::time::Duration;

use tokio::select;
use tokio::sync::watch;

use super::batch::Batch;
use super::engine::Shared;
use super::holding::Claim;
use super::wait::wait;
use crate::outbox::{FirstDead, Taken};
use crate::transport::{ErrorKind, TransportError};

/// At most so many bytes are taken at a time.
const BYTES: usize = 8 * 1024 * 1024;

/// How soon it looks again when something was there a moment ago.
const SOON: Duration = Duration::from_millis(2);

/// How soon it tries again when the database has failed.
const AGAIN: Duration = Duration::from_millis(250);

/// How often it tries in the end to delete what has left.
const LAST_TRIES: usize = 3;

/// Looks into the database while nothing is there: one at a time.
pub(super) struct Poller {
    bell: watch::Receiver<()>,
    /// How long until the next look.
    pause: Duration,
}

impl Poller {
    pub(super) fn new(bell: watch::Receiver<()>) -> Self {
        Self { bell, pause: Duration::ZERO }
    }

    /// Waits for a bell, or the clock.
    async fn wait(&mut self, shared: &Shared) {
        let first = shared.rows.first_look();
        if self.bell.has_changed().unwrap_or(false) {
            self.bell.mark_unchanged();
            self.pause = first;
        }
        let longest = shared.options.poll_every;
        self.pause = self.pause.max(first).min(longest);
        let pause = if self.pause < longest { self.pause } else { jittered(longest) };
        let bell = async {
            if self.bell.changed().await.is_err() {
                // Nobody rings any more.
                std::future::pending::<()>().await;
            }
        };
        let rung = select! {
            biased;
            () = shared.stopping() => return,
            () = bell => true,
            () = wait(pause) => false,
        };
        if rung {
            // Its commit comes in a moment.
            self.pause = first;
            wait(first).await;
        }
        self.pause = longest.min(self.pause * 2);
    }
}

/// So that many relays do not look at the same moment.
fn jittered(pause: Duration) -> Duration {
    let part = crate::__private::random() as f64 / u64::MAX as f64;
    pause.mul_f64(0.75 + part / 2.0)
}

/// What came of a look.
enum Took {
    /// Rows, and what the relay does not remember of their keys.
    Some(Vec<Taken>, FirstDead),
    Nothing,
    /// All lanes are others', or somebody else is at work on them.
    NoLanes,
    Failed,
}

pub(super) struct Track<'a> {
    shared: &'a Shared,
    /// For what is said of it.
    number: usize,
    claim: Claim<'a>,
    /// What has left, and is to be deleted.
    done: Vec<i64>,
    most: usize,
}

impl<'a> Track<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize) -> Self {
        let most = shared.ways.most(shared.options.batch);
        Self { shared, number, claim: shared.holding.nothing(), done: Vec::new(), most }
    }

    /// Works until the relay stops.
    pub(super) async fn run(mut self) {
        let shared = self.shared;
        let mut news = shared.holding.news();
        while !shared.is_stopping() {
            news.mark_unchanged();
            let took = match self.take().await {
                Took::Nothing => self.poll().await,
                took => took,
            };
            match took {
                Took::Some(rows, dead) => {
                    shared.stats.working(self.number, rows.iter().map(|row| row.age).max());
                    self.done = Batch::new(shared, rows, dead).run(&self.claim).await;
                    if !self.claim.holds() {
                        self.forget();
                    }
                }
                Took::Nothing => {}
                Took::NoLanes => select! {
                    () = shared.holding.hunger(&mut news) => {}
                    () = shared.stopping() => {}
                },
                Took::Failed => shared.pause(AGAIN).await,
            }
        }
        self.delete_last().await;
    }

    /// Looks until something is there, as long as nobody else does.
    async fn poll(&mut self) -> Took {
        let shared = self.shared;
        let mut poller = select! {
            poller = shared.poller.lock() => poller,
            () = shared.stopping() => return Took::Nothing,
        };
        while !shared.is_stopping() {
            match self.take().await {
                Took::Nothing => poller.wait(shared).await,
                took => {
                    poller.pause = SOON;
                    return took;
                }
            }
        }
        Took::Nothing
    }

    async fn take(&mut self) -> Took {
        let shared = self.shared;
        self.claim.more();
        let lanes = self.claim.to_take_from();
        if lanes.is_empty() && self.done.is_empty() {
            self.claim.keep(&[]);
            return Took::NoLanes;
        }
        match shared.rows.take(self.done.clone(), lanes, self.most, BYTES).await {
            Ok(taken) => {
                shared.stats.has_database();
                self.done.clear();
                let mut lanes: Vec<u16> = taken.iter().map(|row| row.lane).collect();
                lanes.sort_unstable();
                lanes.dedup();
                self.claim.keep(&lanes);
                if taken.is_empty() {
                    shared.stats.idle(self.number);
                    return Took::Nothing;
                }
                self.dead_before(&taken).await.map_or_else(|error| self.failed(&error), |dead| Took::Some(taken, dead))
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The first dead rows of the keys of these, if the relay does not remember all.
    async fn dead_before(&self, taken: &[Taken]) -> Result<FirstDead, TransportError> {
        let shared = self.shared;
        let positions: Vec<i64> = taken.iter().filter(|row| row.packet.key.is_some()).map(|row| row.position).collect();
        if shared.holding.dead().is_whole() || positions.is_empty() {
            return Ok(FirstDead::new());
        }
        shared.rows.first_dead(positions).await
    }

    fn failed(&mut self, error: &TransportError) -> Took {
        self.shared.stats.lost_database(error);
        if error.kind() == ErrorKind::Lost {
            self.shared.holding.lose();
            self.forget();
        }
        Took::Failed
    }

    /// What it has is another relay's now.
    fn forget(&mut self) {
        self.done.clear();
        self.claim.keep(&[]);
    }

    async fn delete_last(mut self) {
        for _ in 0..LAST_TRIES {
            if self.done.is_empty() || !self.claim.holds() {
                return;
            }
            match self.shared.rows.delete(self.done.clone()).await {
                Ok(()) => self.done.clear(),
                Err(error) => self.shared.stats.lost_database(&error),
            }
        }
    }
}
