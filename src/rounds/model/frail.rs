//! A database whose process dies, or whose transactions fail, when a test says so.
//!
//! `Frail (any database, with a Fate) → RoundStore::work: before it, between two of its statements, behind its commit → Fault`

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};

use super::spec::Fault;
use crate::durable::store::{
    Case, Due, Enrolled, Judge, Kept, Next, Party, Past, Place, RoundDatabase, RoundFigures, RoundStore, Row, Ruling,
};
use crate::durable::{FoundRounds, OpenedRounds, Road};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// What is to become of a process.
#[derive(Default)]
pub(super) struct Fate {
    state: Mutex<State>,
    buried: Notify,
}

#[derive(Default)]
struct State {
    next: Option<Fault>,
    is_dead: bool,
    is_buried: bool,
    /// How often a transaction was ended so.
    met: u32,
    closings: Vec<Closing>,
}

/// What a round had when it was closed, and what was said of it.
pub(super) struct Closing {
    pub(super) round: i64,
    pub(super) opened: i64,
    pub(super) closed: i64,
    /// With what has closed it.
    pub(super) rows: Vec<Row>,
    pub(super) outcome: String,
}

/// Notes what is ruled.
struct Noting<'a> {
    judge: &'a dyn Judge,
    /// By place.
    closings: Mutex<BTreeMap<usize, Closing>>,
}

impl Judge for Noting<'_> {
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling> {
        let ruling = self.judge.judge(place, case)?;
        let mut closings = self.closings.lock().unwrap_or_else(PoisonError::into_inner);
        closings.remove(&place);
        if let Next::Closes { outcome, .. } = &ruling.next {
            let (round, opened) = match (&case.round, &ruling.opens) {
                (Some(round), None) => (round.id, round.opened_at),
                (Some(round), Some(opening)) => (round.id, opening.at),
                (None, opening) => (case.number, opening.map_or(case.now, |opening| opening.at)),
            };
            let rows = case.rows.iter().chain(&ruling.adds).cloned().collect();
            closings.insert(place, Closing { round, opened, closed: case.now, rows, outcome: outcome.clone() });
        }
        Some(ruling)
    }

    fn void(&self, place: usize) {
        self.judge.void(place);
        self.closings.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
    }
}

impl Fate {
    /// What becomes of the next transaction.
    pub(super) fn has_next(&self, fault: Option<Fault>) {
        self.state().next = fault;
    }

    /// How often it has come to that.
    pub(super) fn met(&self) -> u32 {
        self.state().met
    }

    /// The rounds that this process has closed.
    pub(super) fn closings(&self) -> Vec<Closing> {
        std::mem::take(&mut self.state().closings)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Nobody is left of the process who could hear anything: whatever of it waits may end.
    pub(super) fn bury(&self) {
        let mut state = self.state();
        (state.is_dead, state.is_buried) = (true, true);
        drop(state);
        self.buried.notify_waiters();
    }

    /// Waits until nothing is left of the process.
    pub(super) async fn ends(&self) {
        let buried = self.buried.notified();
        if !self.state().is_buried {
            buried.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.next.take();
        match fault {
            Some(Fault::FailsBefore(times)) if times > 1 => state.next = Some(Fault::FailsBefore(times - 1)),
            Some(Fault::FailsAfter(times)) if times > 1 => state.next = Some(Fault::FailsAfter(times - 1)),
            Some(Fault::IsRefusedAfter) => state.next = Some(Fault::IsRefused),
            _ => {}
        }
        state.met += u32::from(fault.is_some());
        fault
    }

    /// The process is gone: nothing of it goes on.
    async fn die<T>(&self) -> Result<T, TransportError> {
        self.state().is_dead = true;
        self.gate().await?;
        std::future::pending().await
    }

    /// Whatever a dead process has begun does not go on.
    async fn gate(&self) -> Result<(), TransportError> {
        if !self.is_dead() {
            return Ok(());
        }
        let buried = self.buried.notified();
        if !self.state().is_buried {
            buried.await;
        }
        Err(error(ErrorKind::Refused))
    }
}

fn error(kind: ErrorKind) -> TransportError {
    TransportError::new(kind, "a frail database", "as the test has it")
}

/// A database, as one process has it.
#[derive(Clone)]
pub(super) struct Frail<D> {
    pub(super) inner: D,
    pub(super) fate: Arc<Fate>,
    /// In place of the one of the database.
    pub(super) bells: Option<Arc<Bells>>,
}

impl<D> Frail<D> {
    pub(super) fn of(inner: D) -> Self {
        Self { inner, fate: Arc::default(), bells: None }
    }
}

/// One for each process, rung in their order: a bell that several listen to wakes them in an order of its own, which no seed replays.
#[derive(Default)]
pub(super) struct Bells(Mutex<Vec<watch::Sender<()>>>);

impl Bells {
    fn all(&self) -> MutexGuard<'_, Vec<watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D> fmt::Debug for Frail<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frail").finish_non_exhaustive()
    }
}

impl<D: RoundDatabase> RoundDatabase for Frail<D> {
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds> {
        Box::pin(async move {
            let inner = self.inner.open_rounds(broker).await?;
            let rounds = FrailRounds { inner, fate: self.fate.clone(), bells: self.bells.clone() };
            Ok(Arc::new(rounds) as Arc<dyn RoundStore>)
        })
    }

    fn find_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        self.inner.find_rounds(broker)
    }

    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        self.inner.brokers(behind, most)
    }
}

struct FrailRounds {
    inner: Arc<dyn RoundStore>,
    fate: Arc<Fate>,
    bells: Option<Arc<Bells>>,
}

/// Rings when it is dropped.
struct Rings<'a>(Option<&'a Bells>);

impl Drop for Rings<'_> {
    fn drop(&mut self) {
        if let Some(bells) = self.0 {
            bells.all().iter().for_each(|bell| {
                let _ = bell.send(());
            });
        }
    }
}

impl FrailRounds {
    async fn inner_work(&self, places: &[Place], judge: &dyn Judge) -> Result<(), TransportError> {
        let noting = Noting { judge, closings: Mutex::default() };
        self.inner.work(places, &noting).await?;
        let closings = noting.closings.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.fate.state().closings.extend(closings.into_values());
        Ok(())
    }

    async fn fail(&self, fault: Fault, places: &[Place], judge: &dyn Judge) -> Result<(), TransportError> {
        match fault {
            Fault::DiesBefore => self.fate.die().await,
            Fault::DiesWithin(polls) => {
                {
                    let (mut work, mut polled) = (Box::pin(self.inner_work(places, judge)), 0);
                    std::future::poll_fn(|cx| {
                        polled += 1;
                        match work.poll_unpin(cx) {
                            Poll::Pending if polled < polls => Poll::Pending,
                            _ => Poll::Ready(()),
                        }
                    })
                    .await;
                }
                drop(Rings(self.bells.as_deref()));
                self.fate.die().await
            }
            Fault::DiesAfter => {
                let _ = self.inner_work(places, judge).await;
                drop(Rings(self.bells.as_deref()));
                self.fate.die().await
            }
            Fault::FailsBefore(_) => Err(error(ErrorKind::Unreachable)),
            Fault::FailsAfter(_) | Fault::IsRefusedAfter => {
                self.inner_work(places, judge).await?;
                Err(error(ErrorKind::Unreachable))
            }
            Fault::IsRefused => Err(error(ErrorKind::Refused)),
        }
    }
}

impl RoundStore for FrailRounds {
    fn name(&self) -> &Arc<str> {
        self.inner.name()
    }

    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> BoxFuture<'a, Result<Enrolled, TransportError>> {
        self.inner.enroll(rules, replaces)
    }

    fn forget_rules(&self, older: Duration) -> BoxFuture<'_, Result<u64, TransportError>> {
        self.inner.forget_rules(older)
    }

    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            self.fate.gate().await?;
            // Whatever becomes of it.
            let _rings = Rings(self.bells.as_deref());
            match self.fate.take() {
                Some(fault) => self.fail(fault, places, judge).await,
                None => self.inner_work(places, judge).await,
            }
        })
    }

    fn due<'a>(
        &'a self,
        foreign: &'a [i64],
        grace: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Due, TransportError>> {
        Box::pin(async move {
            self.fate.gate().await?;
            self.inner.due(foreign, grace, most).await
        })
    }

    fn ended<'a>(&'a self, rounds: &'a [i64]) -> BoxFuture<'a, Result<Vec<Past>, TransportError>> {
        Box::pin(async move {
            self.fate.gate().await?;
            self.inner.ended(rounds).await
        })
    }

    fn round(&self, round: i64) -> BoxFuture<'_, Result<Option<Kept>, TransportError>> {
        self.inner.round(round)
    }

    fn history<'a>(
        &'a self,
        key: &'a str,
        before: i64,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Kept>, TransportError>> {
        self.inner.history(key, before, most)
    }

    fn open(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Kept>, TransportError>> {
        self.inner.open(after, most)
    }

    fn add_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        self.inner.add_consumer(name)
    }

    fn remove_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        self.inner.remove_consumer(name)
    }

    fn consumers(&self) -> BoxFuture<'_, Result<Vec<Arc<str>>, TransportError>> {
        self.inner.consumers()
    }

    fn add_party<'a>(&'a self, party: &'a Party) -> BoxFuture<'a, Result<(), TransportError>> {
        self.inner.add_party(party)
    }

    fn remove_party<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        self.inner.remove_party(name)
    }

    fn parties(&self) -> BoxFuture<'_, Result<Vec<Party>, TransportError>> {
        self.inner.parties()
    }

    fn purge(&self, older: Duration, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        self.inner.purge(older, most)
    }

    fn figures(&self, most: u64) -> BoxFuture<'_, Result<RoundFigures, TransportError>> {
        self.inner.figures(most)
    }

    fn bell(&self) -> watch::Receiver<()> {
        let Some(bells) = &self.bells else { return self.inner.bell() };
        let (rings, bell) = watch::channel(());
        bells.all().push(rings);
        bell
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn outbox_of(&self, consumer: &str) -> String {
        self.inner.outbox_of(consumer)
    }

    fn road<'a>(&'a self, channel: &'a str, lease: Duration) -> BoxFuture<'a, Result<Road, TransportError>> {
        self.inner.road(channel, lease)
    }
}
