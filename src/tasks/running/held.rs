//! What a worker has of jobs: those that wait here for room, and those that run.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::tasks::function::Cancelling;
use crate::tasks::{Held, Loan};

/// For how long work is taken ahead.
const AHEAD: Duration = Duration::from_millis(50);

/// How many jobs at most.
const MOST_AHEAD: usize = 256;

/// What is here and has not begun goes back after that: somebody else may be idle.
const STALE: Duration = Duration::from_secs(1);

/// Tells a function that it is to end.
pub(super) type Teller = Rc<watch::Sender<Option<Cancelling>>>;

/// The jobs of a worker.
#[derive(Default)]
pub(super) struct Holding {
    /// Those that have not begun, and when each was lent.
    ready: VecDeque<(Instant, Loan)>,
    /// Those that are to run alone.
    suspects: VecDeque<Loan>,
    /// Those that run, by their number: the attempt, and how it is told to end.
    running: HashMap<i64, (u32, Teller)>,
    /// How long a job takes, of late.
    takes: Option<f64>,
}

impl Holding {
    pub(super) fn lent(&mut self, loans: Vec<Loan>) {
        let now = Instant::now();
        for loan in loans {
            match is_suspect(&loan) {
                true => self.suspects.push_back(loan),
                false => self.ready.push_back((now, loan)),
            }
        }
    }

    /// The next that may begin beside others.
    pub(super) fn begin(&mut self) -> Option<(Loan, Teller)> {
        let (_, loan) = self.ready.pop_front()?;
        Some(self.run(loan))
    }

    /// One that is to run alone, if there is nothing else here.
    pub(super) fn begin_alone(&mut self) -> Option<(Loan, Teller)> {
        if !self.running.is_empty() || !self.ready.is_empty() || self.suspects.len() != 1 {
            return None;
        }
        let loan = self.suspects.pop_front()?;
        Some(self.run(loan))
    }

    /// Whether one is here that is to run alone.
    pub(super) fn has_suspect(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Takes out all that are to run alone but one, to be given back.
    pub(super) fn spare_suspects(&mut self) -> Vec<Loan> {
        self.suspects.drain(1.min(self.suspects.len())..).collect()
    }

    fn run(&mut self, loan: Loan) -> (Loan, Teller) {
        let teller = Rc::new(watch::Sender::new(None));
        self.running.insert(loan.id, (loan.attempt, teller.clone()));
        (loan, teller)
    }

    pub(super) fn ended(&mut self, job: i64, attempt: u32, took: Duration) {
        if self.running.get(&job).is_some_and(|(there, _)| *there == attempt) {
            self.running.remove(&job);
        }
        let took = took.as_secs_f64();
        self.takes = Some(self.takes.map_or(took, |takes| takes * 0.9 + took * 0.1));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.suspects.is_empty() && self.running.is_empty()
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many more may be lent: for the room there is, and some ahead if jobs are short.
    pub(super) fn wants(&self, concurrency: usize) -> usize {
        let ahead = match self.takes {
            None => 0,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is bounded, and not negative"
            )]
            Some(takes) => (AHEAD.as_secs_f64() / takes.max(1e-6) * concurrency as f64).min(MOST_AHEAD as f64) as usize,
        };
        let there = self.ready.len() + self.running.len();
        let wants = (concurrency + ahead).saturating_sub(there);
        // Few at a time cost as much as many.
        if there >= concurrency && wants < ahead / 2 { 0 } else { wants }
    }

    /// Those whose leases are to be renewed.
    pub(super) fn leases(&self) -> Vec<(i64, u32)> {
        let running = self.running.iter().map(|(job, (attempt, _))| (*job, *attempt));
        let waits = self.ready.iter().map(|(_, loan)| loan).chain(&self.suspects);
        waits.map(|loan| (loan.id, loan.attempt)).chain(running).collect()
    }

    /// What came of renewing them.
    pub(super) fn renewed(&mut self, leases: &[(i64, u32)], how: &[Held]) {
        for ((job, attempt), how) in leases.iter().zip(how) {
            if *how == Held::Still {
                continue;
            }
            if let Some((there, teller)) = self.running.get(job)
                && there == attempt
            {
                let reason = if *how == Held::Lost { Cancelling::Lost } else { Cancelling::Cancelled };
                cancel(teller, reason);
                continue;
            }
            match how {
                Held::Lost => {
                    self.ready.retain(|(_, loan)| (loan.id, loan.attempt) != (*job, *attempt));
                    self.suspects.retain(|loan| (loan.id, loan.attempt) != (*job, *attempt));
                }
                _ => {
                    let waits = self.ready.iter_mut().map(|(_, loan)| loan).chain(&mut self.suspects);
                    let waits = waits.filter(|loan| (loan.id, loan.attempt) == (*job, *attempt));
                    waits.for_each(|loan| loan.is_cancelled = true);
                }
            }
        }
    }

    /// Tells all that run that they are to end.
    pub(super) fn cancel_all(&self, reason: Cancelling) {
        self.running.values().for_each(|(_, teller)| cancel(teller, reason));
    }

    /// Takes out what has not begun, to be given back: all of it, or what has been here for too long.
    pub(super) fn give_back(&mut self, all: bool) -> Vec<Loan> {
        let now = Instant::now();
        let stale = |(lent, _): &(Instant, Loan)| all || now.duration_since(*lent) >= STALE;
        let mut given_back = if all { Vec::from(std::mem::take(&mut self.suspects)) } else { Vec::new() };
        if self.ready.front().is_some_and(stale) {
            // How long jobs take is what it was not: none is taken ahead until that is known better.
            self.takes = None;
            given_back.extend(self.ready.drain(..).map(|(_, loan)| loan));
        }
        given_back
    }
}

/// Whether this is the last attempt at a job of which nothing was heard at the one before: its process has died of it, or of
/// another job that it was lent with. Alone, it takes no other along, and no other takes it.
fn is_suspect(loan: &Loan) -> bool {
    let is_last = loan.attempt > 1 && loan.attempt == loan.attempts;
    is_last && loan.reason.is_none() && !loan.is_cancelled && !loan.is_expired
}

/// The first reason stays.
pub(super) fn cancel(teller: &Teller, reason: Cancelling) {
    teller.send_if_modified(|there| {
        let is_first = there.is_none() || reason == Cancelling::Lost;
        if is_first {
            *there = Some(reason);
        }
        is_first
    });
}
