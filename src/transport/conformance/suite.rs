//! All cases, and how they are run: a few at once, those that kill the server alone, each with a deadline.
//!
//! `Suite::run → Case, Case, Case → Table`

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout};

use super::case::Case;
use super::cases;
use super::fixture::Fixture;
use super::lab::Lab;
use super::scale::Scale;
use super::table::{Outcome, Row, Table};
use super::verdict::{Fault, Verdict, text};

/// The suite of cases that a transport has to pass.
///
/// It runs in real time within an actix system, or in virtual time under `#[convoke::test]`. A case that panics or does
/// not end in time has failed, and the other cases go on.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is run"]
pub struct Suite {
    scale: Scale,
    only: Option<String>,
    at_once: usize,
    deadline: Option<Duration>,
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// Creates a suite of all cases, on the small scale.
    pub fn new() -> Self {
        Self { scale: Scale::Small, only: None, at_once: 4, deadline: None }
    }

    /// Sets how many packets the cases send. The default is [`Scale::Small`].
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Runs only the cases whose name contains `part`.
    pub fn only(mut self, part: impl Into<String>) -> Self {
        self.only = Some(part.into());
        self
    }

    /// Sets how many cases run at once. The default is 4. Cases that kill the server always run alone.
    pub fn at_once(mut self, cases: usize) -> Self {
        self.at_once = cases.max(1);
        self
    }

    /// Sets the time after which a case that has not ended has failed. The default is 3 minutes, and 15 minutes on the
    /// full scale.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Returns the names of the cases. Each name is a sentence that is true if the case passes.
    pub fn cases() -> impl Iterator<Item = &'static str> {
        all().map(|case| case.name)
    }

    /// Runs the cases and returns the result of each, in the order of their subjects.
    pub async fn run(&self, fixture: &dyn Fixture) -> Table {
        let chosen = all().enumerate().filter(|(_, case)| self.is_chosen(case.name));
        let (alone, together): (Vec<_>, Vec<_>) = chosen.partition(|(_, case)| case.kills);
        let mut rows = Vec::new();
        let run = |(at, case)| async move { (at, self.run_one(fixture, case).await) };
        rows.extend(stream::iter(together).map(run).buffer_unordered(self.at_once).collect::<Vec<_>>().await);
        for chosen in alone {
            rows.push(run(chosen).await);
        }
        rows.sort_by_key(|(at, _)| *at);
        let mut table = Table::new();
        rows.into_iter().for_each(|(_, row)| table.push(row));
        table
    }

    fn is_chosen(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    async fn run_one(&self, fixture: &dyn Fixture, case: &Case) -> Row {
        log::debug!(target: "convoke::transport", "{}: {} begins", fixture.name(), case.name);
        let lab = Lab::new(fixture, self.scale, case.name);
        let start = Instant::now();
        let limit = self.deadline.unwrap_or(match self.scale {
            Scale::Small => Duration::from_secs(180),
            Scale::Full => Duration::from_secs(900),
        });
        let run = AssertUnwindSafe(async { (case.run)(&lab).await }).catch_unwind();
        let outcome = match timeout(limit, run).await {
            Ok(Ok(verdict)) => outcome(verdict),
            Ok(Err(panic)) => Outcome::Failed { why: format!("it panicked: {}", text(&*panic)) },
            Err(_) => Outcome::Failed { why: format!("it has not ended after {limit:?}: {}", lab.doing()) },
        };
        let took = start.elapsed();
        lab.tidy().await;
        log::debug!(target: "convoke::transport", "{}: {}: {outcome:?}", fixture.name(), case.name);
        let (transport, case) = (fixture.name().to_owned(), case.name.to_owned());
        Row { transport, case, outcome, took }
    }
}

fn all() -> impl Iterator<Item = &'static Case> {
    cases::ALL.into_iter().flatten()
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Ok(note) => Outcome::Passed { note },
        Err(Fault::Failed(why)) => Outcome::Failed { why },
        Err(Fault::Missing(missing)) => Outcome::NotApplicable { missing },
    }
}
