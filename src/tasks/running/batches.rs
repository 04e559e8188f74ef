//! What a worker does for the batches of its database, beside its jobs.
//!
//! ```text
//! what waits in the outboxes ─▶ relays (closing.rs)        a deadline ─▶ Gathering::look_at_due
//! jobs that nothing is heard of ─▶ sweep: how are they? ─▶ their rounds
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::closing::{ToNext, ToRounds};
use crate::durable::{Tally, limits};
use crate::outbox::{RelayService, Rows};
use crate::tasks::queue::{Ended, OpenHall, Opening, speech};
use crate::tasks::{Jobs, State, TaskDatabase, TaskQueue};
use crate::transport::TransportError;
use crate::{Failure, Relay, Route, ServiceHandle};

/// How often it is looked for what other processes have written; and where there are none.
const POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// How soon after a bell one looks: it rings before the commit.
const BETWEEN: Duration = Duration::from_millis(5);

/// How long a relay may take to end: what it leaves is for another one.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits before it is tried again what the database did not take.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked how jobs are that nothing is heard of; and where others than the batch have enqueued some of them.
const SWEEP: Duration = Duration::from_secs(60);
const SWEEP_OTHERS: Duration = Duration::from_secs(1);

/// How many jobs of a batch are looked at in one sweep, beside those that were there before it.
const SWEPT: usize = 100;

/// How long relays have what they are at, at the most.
const LONGEST_LEASE: Duration = Duration::from_secs(10);

/// How often outcomes are looked for that are to be deleted, and how long they are kept.
const PURGE_EVERY: Duration = Duration::from_secs(60);
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Looks after batches until it is told to stop. What it has left in its outboxes goes on elsewhere sooner than jobs do that it has left.
pub(super) async fn run<D: TaskDatabase>(queue: TaskQueue<D>, lease: Duration, mut stop: oneshot::Receiver<()>) {
    let mut is_lost = false;
    let hall = loop {
        match queue.hall().open().await {
            Ok(hall) => break hall.clone(),
            Err(error) => warn(&mut is_lost, &error),
        }
        select! {
            _ = &mut stop => return,
            () = sleep(PAUSE) => {}
        }
    };
    let now = Instant::now();
    let jobs: Arc<dyn Jobs> = queue.jobs().clone();
    let mut batches = Batches {
        hall,
        jobs,
        relays: None,
        lease: (lease / 3).min(LONGEST_LEASE),
        has_others: Arc::default(),
        sweep_from: now + PAUSE,
        purge_from: now + PURGE_EVERY,
        swept: 0,
    };
    let mut bells = [batches.hall.rounds.bell(), batches.hall.ends().bell(), batches.hall.closed().bell()];
    loop {
        bells.iter_mut().for_each(watch::Receiver::mark_unchanged);
        let until = match batches.look().await {
            Ok(next) => {
                is_lost = false;
                Instant::now() + next
            }
            Err(error) => {
                warn(&mut is_lost, &error);
                Instant::now() + PAUSE
            }
        };
        let [rounds, ends, closed] = &mut bells;
        let rung = async {
            select! {
                () = rings(rounds) => {}
                () = rings(ends) => {}
                () = rings(closed) => {}
            }
            sleep_until(until.min(Instant::now() + BETWEEN)).await;
        };
        select! {
            _ = &mut stop => break,
            () = rung => {}
            () = sleep_until(until) => {}
        }
    }
    join_all(batches.relays.into_iter().flatten().map(ServiceHandle::stop)).await;
}

async fn rings(bell: &mut watch::Receiver<()>) {
    if bell.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Says so once.
fn warn(is_lost: &mut bool, error: &dyn std::fmt::Display) {
    if !std::mem::replace(is_lost, true) {
        log::warn!(target: "convoke::tasks", "batches are not looked after, and that is tried again: {error}");
    }
}

struct Batches<D: TaskDatabase> {
    hall: Arc<OpenHall<D>>,
    jobs: Arc<dyn Jobs>,
    /// Started when there is something for them.
    relays: Option<[ServiceHandle<RelayService>; 2]>,
    /// For how long they have what they are at, unless they say that they live.
    lease: Duration,
    has_others: Arc<AtomicBool>,
    sweep_from: Instant,
    purge_from: Instant,
    /// How many sweeps there were: each looks at other jobs of a large batch.
    swept: usize,
}

impl<D: TaskDatabase> Batches<D> {
    /// Does what there is to do, and returns how long there is nothing.
    async fn look(&mut self) -> Result<Duration, Failure> {
        if self.relays.is_none() && (waits(&*self.hall.ends).await? || waits(&*self.hall.closed).await?) {
            self.relays = Some(self.relay().await?);
        }
        let due = self.hall.rounds.look_at_due().await?;
        if self.has_others.swap(false, Ordering::Relaxed) {
            self.sweep_from = self.sweep_from.min(Instant::now() + SWEEP_OTHERS);
        }
        if Instant::now() >= self.sweep_from {
            self.sweep_from = Instant::now() + if self.sweep().await? { SWEEP_OTHERS } else { SWEEP };
        }
        if Instant::now() >= self.purge_from {
            self.purge_from = Instant::now() + PURGE_EVERY;
            self.hall.rounds.purge(KEEP).await?;
        }
        let poll = if self.hall.rounds.is_shared() { POLL } else { LONGEST_POLL };
        let next = self.sweep_from.min(self.purge_from).saturating_duration_since(Instant::now());
        Ok(due.unwrap_or(poll).min(poll).min(next).max(BETWEEN))
    }

    async fn relay(&self) -> Result<[ServiceHandle<RelayService>; 2], Failure> {
        let to_rounds = ToRounds { rounds: self.hall.rounds.clone(), has_others: self.has_others.clone() };
        let to_rounds = Route::new("**", to_rounds).limits(limits());
        let to_next = Route::new("**", ToNext(self.jobs.clone())).limits(limits());
        let (ends, closed) = (self.hall.ends(), self.hall.closed());
        let relay = |rows: Arc<dyn Rows>, name: &str, route| {
            let publisher = rows.name().clone();
            Relay::new(rows, publisher, route)
                .named(format!("batches of tasks: {name}"))
                .poll_every(POLL)
                .stop_timeout(STOP_TIMEOUT)
                .lease(self.lease)
                .start()
        };
        Ok([relay(ends, "ends", to_rounds).await?, relay(closed, "what follows", to_next).await?])
    }

    /// Looks how the jobs are of which a batch has heard nothing: those that were there before it, and do not know of it; and what a
    /// worker has ended that knows nothing of batches, or somebody has deleted. Returns whether some were there before their batch.
    async fn sweep(&mut self) -> Result<bool, TransportError> {
        let (mut after, mut has_others) = (0, false);
        self.swept = self.swept.wrapping_add(1);
        loop {
            let open = self.hall.rounds.open_behind(after).await?;
            let Some((_, last)) = open.last() else { return Ok(has_others) };
            after = last.round;
            for (batch, tally) in open {
                let Ok(opening) = Opening::read(&tally.first) else { continue };
                let ends = self.look_at(&opening, &tally, &mut has_others).await?;
                if !ends.is_empty() {
                    self.hall.rounds.hear(&[speech(batch, None, ends)]).await?;
                }
            }
        }
    }

    async fn look_at(
        &self,
        opening: &Opening,
        tally: &Tally,
        has_others: &mut bool,
    ) -> Result<Vec<(i64, Ended)>, TransportError> {
        let said: HashSet<&str> = tally.kept.iter().chain(&tally.refused).map(|(name, _)| &**name).collect();
        let missing = opening.jobs.iter().enumerate().filter(|(place, _)| !said.contains(&*place.to_string()));
        let (others, own): (Vec<_>, Vec<_>) = missing.map(|(_, entry)| entry).partition(|entry| entry.2);
        *has_others |= !others.is_empty();
        let turns = own.len().div_ceil(SWEPT).max(1);
        let own = own.chunks(SWEPT).nth(self.swept % turns).unwrap_or_default();
        let (mut ends, mut own_ends) = (Vec::new(), Vec::new());
        for entry in others.into_iter().chain(own.iter().copied()) {
            let end = match self.jobs.look(entry.0).await? {
                Some(row) if row.state == State::Done => Ended::done(row.text.as_deref(), opening.room()),
                Some(row) if row.state.is_over() => {
                    let code = if row.state == State::Cancelled { "cancelled" } else { "failed" };
                    Ended::failed(code, row.text.as_deref().unwrap_or_default())
                }
                Some(_) => continue,
                None => Ended::failed("gone", "it is deleted, and how it has ended is kept no longer"),
            };
            let side = if entry.2 { &mut ends } else { &mut own_ends };
            side.push((entry.0, end));
        }
        // How one of this batch has ended may be on its way, and says more. What is not there now was told before.
        if !own_ends.is_empty() && !waits(&*self.hall.ends).await? {
            ends.append(&mut own_ends);
        }
        Ok(ends)
    }
}

/// Whether there is something in an outbox, whatever becomes of it.
async fn waits<R: Rows + ?Sized>(rows: &R) -> Result<bool, TransportError> {
    let figures = rows.figures(1).await?;
    Ok(figures.ready + figures.dead + figures.parked > 0)
}
