//! The one task of a worker of tasks.
//!
//! `lend → held.rs → attempt.rs, side by side → what has ended, gathered → settle`, and all the while leases are renewed

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Fuse, FusedFuture, FutureExt, LocalBoxFuture, join};
use futures_util::stream::FuturesUnordered;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::attempt::{Finish, What, release, run};
use super::held::Holding;
use super::meter::Came;
use super::settling::{Settled, Told, settle_all};
use super::ticker::tick_all;
use super::unclaimed;
use crate::tasks::TaskDatabase;
use crate::tasks::function::Cancelling;
use crate::tasks::{Ending, Held, Limit, Loans, Wanted};
use crate::transport::TransportError;

/// How many jobs are lent at a time, at the most.
const MOST: usize = 500;

/// How long it waits after an error, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who adds a job in a transaction rings before the commit: how soon it is looked again after a look in vain, each time so many times
/// later. Idle workers look twice more for each ring, and then as often as without one.
const SOON: Duration = Duration::from_millis(10);
const LATER: u32 = 4;

/// How often it is looked where all is told of.
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// How often jobs are deleted that have been kept for long enough, and how many at a time.
const PRUNE_EVERY: Duration = Duration::from_secs(10);
const PRUNED: usize = 1_000;

/// How often it is counted what is there, and beyond what nobody counts.
const COUNT_EVERY: Duration = Duration::from_secs(15);
const COUNTED: u64 = 10_000;

/// How soon leases are renewed once more, by which it is heard that a job is to end.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// How many are lent one by one after a job that ran alone: what was lost with its process may follow it, and each runs alone.
const CAREFUL: u32 = 16;

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Work,
    /// Nothing new is begun.
    Drain,
}

/// Whose leases were to be extended, and how each is.
type Renewed = (Vec<(i64, u32)>, Vec<Held>);

type Call<T> = Fuse<LocalBoxFuture<'static, Result<T, TransportError>>>;

/// A worker that is ready to run.
pub(super) struct Engine<D: TaskDatabase> {
    shared: Rc<Shared<D>>,
    wanted: Wanted,
    orders: watch::Sender<Order>,
}

/// What it does at a time.
struct Running<D: TaskDatabase> {
    shared: Rc<Shared<D>>,
    wanted: Wanted,
    holding: Holding,
    attempts: FuturesUnordered<Pin<Box<dyn Future<Output = Finish>>>>,
    /// The job that runs alone, if one does, and how many are still lent one by one.
    alone: Option<i64>,
    careful: u32,
    /// What has ended and is not settled, with what is being settled now.
    ended: VecDeque<Ending>,
    settling: usize,
    settle: Call<Settled>,
    lend: Call<Loans>,
    renew: Call<Renewed>,
    tend: Call<()>,
    /// From when on each is due again.
    lend_from: Instant,
    settle_from: Instant,
    renew_from: Instant,
    renewed_at: Instant,
    prune_from: Instant,
    count_from: Instant,
    lend_pause: Duration,
    settle_pause: Duration,
    /// When it is looked again at the latest, since it has rung.
    soon: Duration,
}

impl<D: TaskDatabase> Engine<D> {
    pub(super) fn new(shared: Rc<Shared<D>>) -> Self {
        let terms: Vec<_> = shared.functions.values().map(|does| (does.task(), does.terms())).collect();
        let mut queues: Vec<Arc<str>> = terms.iter().map(|(_, terms)| terms.queue.into()).collect();
        queues.sort_unstable();
        queues.dedup();
        let mut tasks: Vec<Arc<str>> = terms.iter().map(|(task, _)| (*task).into()).collect();
        tasks.sort_unstable();
        let limited = terms.iter().filter(|(_, terms)| terms.limit != Limit::default());
        let limits = limited.map(|(task, terms)| ((*task).into(), terms.limit)).collect();
        let wanted = Wanted { queues, tasks, limits, most: MOST, lease: shared.options.lease };
        Self { shared, wanted, orders: watch::Sender::new(Order::Work) }
    }

    pub(super) fn orders(&self) -> watch::Sender<Order> {
        self.orders.clone()
    }

    /// Runs until it was told to drain, and all is settled or given back. Says how many jobs were given back while they ran.
    pub(super) async fn run(self) -> usize {
        let stats = self.shared.stats.clone();
        let _runs = stats.begin();
        let (orders, mut ends) = (self.orders.subscribe(), self.orders.subscribe());
        let shared = self.shared.clone();
        let ticking = async move {
            select! {
                () = tick_all(shared.clone()) => {}
                order = ends.wait_for(|order| *order == Order::Drain) => drop(order),
            }
        };
        let (given_back, ()) = join(Running::new(self.shared, self.wanted).run(orders), ticking).await;
        given_back
    }
}

impl<D: TaskDatabase> Running<D> {
    fn new(shared: Rc<Shared<D>>, wanted: Wanted) -> Self {
        let now = Instant::now();
        Self {
            renew_from: now + shared.options.renews(),
            renewed_at: now,
            shared,
            wanted,
            holding: Holding::default(),
            attempts: FuturesUnordered::new(),
            alone: None,
            careful: 0,
            ended: VecDeque::new(),
            settling: 0,
            settle: Fuse::terminated(),
            lend: Fuse::terminated(),
            renew: Fuse::terminated(),
            tend: Fuse::terminated(),
            lend_from: now,
            settle_from: now,
            prune_from: now + PRUNE_EVERY,
            count_from: now,
            lend_pause: FIRST_PAUSE,
            settle_pause: FIRST_PAUSE,
            soon: SOON,
        }
    }

    async fn run(mut self, mut orders: watch::Receiver<Order>) -> usize {
        let mut bell = self.shared.queue.jobs().bell();
        let mut drain_until = None;
        let mut given_back = 0;
        loop {
            let is_draining = drain_until.is_some();
            if is_draining {
                // Nothing is asked for any more.
                self.shared.stats.full();
                self.give_back(true);
                if self.holding.is_empty()
                    && self.ended.is_empty()
                    && self.settle.is_terminated()
                    && self.lend.is_terminated()
                {
                    return given_back;
                }
            } else {
                self.give_back(false);
                self.begin();
                self.lend();
            }
            self.settle();
            self.renew();
            self.tend();
            let wake = self.wake(is_draining, drain_until.flatten());
            select! {
                biased;
                Some(finish) = self.attempts.next(), if !self.attempts.is_empty() => {
                    given_back += usize::from(is_draining && matches!(&finish.what, What::Settle(ending) if ending.how == crate::tasks::How::Released));
                    self.finished(finish);
                }
                settled = &mut self.settle => self.settled(settled),
                loans = &mut self.lend => self.lent(loans),
                renewed = &mut self.renew => self.renewed(renewed),
                tended = &mut self.tend => if let Err(error) = tended {
                    log::debug!(target: "convoke::tasks", "{error}");
                },
                order = orders.wait_for(|order| *order == Order::Drain), if !is_draining => {
                    // If whoever would say so is gone, it is the same.
                    drop(order);
                    drain_until = Some(Some(Instant::now() + self.shared.options.drain_timeout));
                }
                Ok(()) = bell.changed(), if !is_draining => self.rung(),
                () = sleep_until(wake) => {
                    if let Some(Some(until)) = drain_until
                        && Instant::now() >= until
                    {
                        drain_until = Some(None);
                        self.holding.cancel_all(Cancelling::Stopping);
                    }
                }
            }
        }
    }

    /// Somebody has added a job, or wants one to end.
    fn rung(&mut self) {
        self.soon = SOON;
        // After an error a ring does not shorten the pause.
        if self.lend_pause == FIRST_PAUSE {
            self.lend_from = self.lend_from.min(Instant::now());
        }
        if !self.holding.is_empty() {
            self.renew_from = self.renew_from.min(self.renewed_at + RENEW_AGAIN);
        }
    }

    /// When it has to look again, whatever happens.
    fn wake(&self, is_draining: bool, drain_until: Option<Instant>) -> Instant {
        let lend = self.lend.is_terminated().then_some(self.lend_from);
        let lend = lend.filter(|_| !is_draining && self.wants() > 0);
        let settle = (self.settle.is_terminated() && !self.ended.is_empty()).then_some(self.settle_from);
        let stale = self.holding.is_ready().then(|| Instant::now() + Duration::from_millis(250));
        let renew = self.renew.is_terminated().then_some(self.renew_from);
        let tend = self.tend.is_terminated().then(|| self.prune_from.min(self.count_from));
        let all = [lend, settle, stale, renew, tend, drain_until];
        all.into_iter().flatten().min().unwrap_or_else(|| Instant::now() + Duration::from_secs(1))
    }

    /// How many have ended that are done again if this process is killed now.
    fn unsettled(&self) -> usize {
        self.ended.len() + self.settling
    }

    fn wants(&self) -> usize {
        if self.alone.is_some() || self.holding.has_suspect() {
            return 0;
        }
        let most = if self.careful > 0 { 1 } else { MOST };
        self.holding.wants(self.shared.options.concurrency).min(most)
    }

    fn begin(&mut self) {
        if self.alone.is_some() {
            return;
        }
        let options = &self.shared.options;
        while self.attempts.len() < options.concurrency && self.unsettled() < options.gather {
            let Some((loan, teller)) = self.holding.begin() else { break };
            self.attempts.push(Box::pin(run(self.shared.clone(), loan, teller)));
        }
        if self.holding.has_suspect() {
            self.begin_alone();
        }
    }

    /// Begins one that may kill this process, once all else has ended, is settled or was given back.
    fn begin_alone(&mut self) {
        self.careful = CAREFUL;
        self.ended.extend(self.holding.spare_suspects().iter().map(release));
        let is_quiet = self.attempts.is_empty() && self.lend.is_terminated() && self.settle.is_terminated();
        if is_quiet
            && self.ended.is_empty()
            && let Some((loan, teller)) = self.holding.begin_alone()
        {
            self.alone = Some(loan.id);
            self.attempts.push(Box::pin(run(self.shared.clone(), loan, teller)));
        }
    }

    fn lend(&mut self) {
        let wants = self.wants();
        if wants == 0 {
            self.shared.stats.full();
        }
        if !self.lend.is_terminated() || wants == 0 || Instant::now() < self.lend_from {
            return;
        }
        self.wanted.most = wants;
        self.shared.stats.asks();
        let (jobs, wanted) = (self.shared.queue.jobs().clone(), self.wanted.clone());
        self.lend = async move { jobs.lend(&wanted).await }.boxed_local().fuse();
    }

    fn lent(&mut self, loans: Result<Loans, TransportError>) {
        let now = Instant::now();
        match loans {
            Ok(loans) => {
                self.lend_pause = FIRST_PAUSE;
                self.careful = self.careful.saturating_sub(1);
                let poll = match self.shared.queue.jobs().tells_all() {
                    true => LONGEST_POLL,
                    false => self.shared.options.poll_every.min(self.soon),
                };
                self.soon = self.soon.saturating_mul(LATER);
                // What is due next is looked for then; what others add, when it rings or when it is polled.
                let next = loans.next.map_or(poll, |next| next.min(poll));
                let full = loans.jobs.len() >= self.wanted.most;
                self.lend_from = if full { now } else { now + next.max(Duration::from_millis(1)) };
                self.shared.stats.lent(loans.jobs.len(), self.lend_from);
                self.holding.lent(loans.jobs);
            }
            Err(error) => {
                self.shared.stats.lost(&error);
                self.lend_pause = (self.lend_pause * 2).min(LONGEST_PAUSE);
                self.lend_from = now + self.lend_pause;
            }
        }
    }

    fn finished(&mut self, finish: Finish) {
        self.holding.ended(finish.job, finish.attempt, finish.took);
        self.alone = self.alone.filter(|alone| *alone != finish.job);
        let of = finish.task.and_then(|task| self.shared.meter.of(task));
        if let Some(of) = of {
            of.took(finish.took);
        }
        let ended = |came| of.into_iter().for_each(|of| of.ended(came));
        match finish.what {
            What::Settle(ending) => {
                if let Some(task) = finish.task {
                    self.shared.meter.settles(task, finish.job, finish.attempt);
                }
                self.ended.push_back(*ending);
            }
            What::Settled(came) => {
                ended(came);
                self.shared.stats.done(1);
            }
            What::Lost => {
                ended(Came::Lost);
                log::warn!(
                    target: "convoke::tasks",
                    "job {}: another worker has it, and what this one has done does not count",
                    finish.job
                );
            }
        }
    }

    /// Gives back what has not begun.
    fn give_back(&mut self, all: bool) {
        let loans = self.holding.give_back(all);
        self.ended.extend(loans.iter().map(release));
    }

    /// Settles what has ended. While that is done, more gathers.
    fn settle(&mut self) {
        if !self.settle.is_terminated() || self.ended.is_empty() || Instant::now() < self.settle_from {
            return;
        }
        let endings: Vec<_> = self.ended.drain(..self.ended.len().min(MOST)).collect();
        self.settling = endings.len();
        let shared = self.shared.clone();
        shared.stats.settles();
        self.settle = async move {
            let settled = settle_all(&shared, endings).await;
            Ok(settled)
        }
        .boxed_local()
        .fuse();
    }

    fn settled(&mut self, settled: Result<Settled, TransportError>) {
        self.settling = 0;
        let Ok(Settled { told, left }) = settled else { return };
        if left.is_empty() {
            self.settle_pause = FIRST_PAUSE;
            self.shared.stats.has_settled();
        } else {
            self.settle_pause = (self.settle_pause * 2).min(LONGEST_PAUSE);
            self.settle_from = Instant::now() + self.settle_pause;
            left.into_iter().rev().for_each(|ending| self.ended.push_front(ending));
        }
        self.shared.stats.done(told.iter().filter(|told| told.is_settled).count());
        for Told { job, attempt, came, is_settled } in &told {
            self.shared.meter.settled(*job, *attempt, if *is_settled { *came } else { Came::Lost });
        }
        for Told { job, .. } in told.iter().filter(|told| !told.is_settled) {
            log::warn!(
                target: "convoke::tasks",
                "job {job}: another worker has it, or it was settled before an answer was lost"
            );
        }
    }

    fn renew(&mut self) {
        if !self.renew.is_terminated() || Instant::now() < self.renew_from {
            return;
        }
        let mut leases = self.holding.leases();
        leases.extend(self.ended.iter().map(|ending| (ending.job, ending.attempt)));
        self.renewed_at = Instant::now();
        self.renew_from = self.renewed_at + self.shared.options.renews();
        if leases.is_empty() {
            return;
        }
        let (jobs, lease) = (self.shared.queue.jobs().clone(), self.shared.options.lease);
        self.renew = async move {
            let how = jobs.renew(&leases, lease).await?;
            Ok((leases, how))
        }
        .boxed_local()
        .fuse();
    }

    fn renewed(&mut self, renewed: Result<Renewed, TransportError>) {
        match renewed {
            Ok((leases, how)) => self.holding.renewed(&leases, &how),
            Err(error) => {
                self.shared.stats.lost(&error);
                self.renew_from = Instant::now() + FIRST_PAUSE;
            }
        }
    }

    /// Deletes what has been kept for long enough, and counts.
    fn tend(&mut self) {
        let now = Instant::now();
        if !self.tend.is_terminated() || now < self.prune_from.min(self.count_from) {
            return;
        }
        let shared = self.shared.clone();
        let (prunes, counts) = (now >= self.prune_from, now >= self.count_from);
        if prunes {
            self.prune_from = now + PRUNE_EVERY;
        }
        if counts {
            self.count_from = now + COUNT_EVERY;
        }
        let wanted = self.wanted.clone();
        self.tend = async move {
            let jobs = shared.queue.jobs();
            while prunes && jobs.prune(PRUNED).await? >= PRUNED as u64 {}
            if counts {
                let figures = jobs.figures(&wanted.queues, COUNTED).await?;
                shared.meter.counted(&figures);
                shared.stats.counted(figures);
                let found = jobs.unclaimed(&wanted, unclaimed::LONGER, unclaimed::MOST).await?;
                shared.meter.unclaimed(shared.stats.unclaimed(found));
            }
            Ok(())
        }
        .boxed_local()
        .fuse();
    }
}
