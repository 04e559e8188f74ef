//! All cases, and how they are run: one after the other, each with a database of its own and a deadline.
//!
//! `Suite::run → a case, a case, a case → Table`

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, timeout};

use super::fixture::Fixture;
use super::room::Room;
use super::{closing, each_case, failing, looking, naming, working};
use crate::transport::conformance::{Outcome, Row, Table, text};

/// What has to hold of every store.
struct Case<F: Fixture> {
    /// A sentence that is true if it passes.
    name: &'static str,
    run: for<'a> fn(&'a Room<'a, F>) -> LocalBoxFuture<'a, ()>,
}

macro_rules! list {
    ($($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => {
        vec![$($(Case { name: stringify!($name), run: |room| Box::pin($module::$name(room)) },)*)*]
    };
}

fn cases<F: Fixture>() -> Vec<Case<F>> {
    each_case!(list)
}

macro_rules! names {
    ($($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => { [$($(stringify!($name),)*)*] };
}

/// The suite of cases that a store of durable rounds has to pass.
///
/// It runs within a runtime of tokio. A case that panics or does not end in time has failed, and the other cases go on. What a case
/// expected and what it has found is the message of its panic.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is run"]
pub struct Suite {
    only: Option<String>,
    deadline: Duration,
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// Creates a suite of all cases.
    pub fn new() -> Self {
        Self { only: None, deadline: Duration::from_secs(180) }
    }

    /// Runs only the cases whose name contains `part`.
    pub fn only(mut self, part: impl Into<String>) -> Self {
        self.only = Some(part.into());
        self
    }

    /// Sets the time after which a case that has not ended has failed. The default is 3 minutes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the names of the cases. Each name is a sentence that is true if the case passes.
    pub fn cases() -> impl Iterator<Item = &'static str> {
        each_case!(names).into_iter()
    }

    /// Runs the cases and returns the result of each, in the order of their subjects.
    pub async fn run<F: Fixture>(&self, fixture: &F) -> Table {
        let mut table = Table::new();
        for case in cases::<F>() {
            if self.only.as_ref().is_none_or(|part| case.name.contains(part.as_str())) {
                table.push(self.run_one(fixture, &case).await);
            }
        }
        table
    }

    async fn run_one<F: Fixture>(&self, fixture: &F, case: &Case<F>) -> Row {
        let began = Instant::now();
        let run = AssertUnwindSafe(async {
            let room = Room::of(fixture).await;
            (case.run)(&room).await;
        });
        let outcome = match timeout(self.deadline, run.catch_unwind()).await {
            Ok(Ok(())) => Outcome::Passed { note: String::new() },
            Ok(Err(panic)) => Outcome::Failed { why: text(&*panic).to_owned() },
            Err(_) => Outcome::Failed { why: format!("it has not ended after {:?}", self.deadline) },
        };
        let (transport, case) = (fixture.name().to_owned(), case.name.to_owned());
        Row { transport, case, outcome, took: began.elapsed() }
    }
}
