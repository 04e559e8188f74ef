//! What came of a suite: a row for each case, a column for each transport, or each store.
//!
//! `Suite::run → Table → merge → Display`

use std::fmt;
use std::time::Duration;

/// The outcome of one case with one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The case holds.
    Passed {
        /// Something worth knowing, such as the number of deliveries that came twice; may be empty.
        note: String,
    },
    /// The case does not hold, has panicked, or did not end.
    Failed {
        /// What went wrong.
        why: String,
    },
    /// The case could not be tried.
    NotApplicable {
        /// What is missing to try it.
        missing: String,
    },
}

/// The result of one case with one transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The name of the fixture.
    pub transport: String,
    /// What should hold.
    pub case: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// How long the case took.
    pub took: Duration,
}

/// The results of the cases, with one transport or several. `Display` shows all of them, and the reasons of those that
/// did not pass.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    absent: Vec<(String, String)>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Notes that no case could be tried with this transport, and why.
    pub fn add_absent(&mut self, transport: impl Into<String>, why: impl Into<String>) {
        self.absent.push((transport.into(), why.into()));
    }

    /// Adds the results of another run. They replace the rows of the same transport and case.
    pub fn merge(&mut self, other: &Self) {
        for row in &other.rows {
            match self.rows.iter_mut().find(|old| (&old.transport, &old.case) == (&row.transport, &row.case)) {
                Some(old) => *old = row.clone(),
                None => self.rows.push(row.clone()),
            }
        }
        self.absent.extend(other.absent.iter().cloned());
    }

    /// Iterates over all rows, one transport after the other.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// Iterates over the rows of the cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed { .. }))
    }

    /// Returns whether at least one case was tried and all cases that were tried hold.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none() && self.rows.iter().any(|row| matches!(row.outcome, Outcome::Passed { .. }))
    }

    /// Panics unless the table [is passed](Self::is_passed), to fail a test.
    ///
    /// # Panics
    ///
    /// Panics with the table as its message unless the table [is passed](Self::is_passed).
    #[track_caller]
    #[expect(clippy::panic, reason = "it is what makes a test fail")]
    pub fn assert_passed(&self) {
        if !self.is_passed() {
            panic!("the contract is not kept:\n{self}");
        }
    }

    fn transports(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.rows.iter().map(|row| row.transport.as_str()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transports = self.transports();
        let mut cases: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !cases.contains(&row.case.as_str()) {
                cases.push(&row.case);
            }
        }
        let first = cases.iter().map(|case| case.len()).max().unwrap_or(0);
        let width = |name: &str| name.len().max(6);
        write!(f, "{:first$}", "case")?;
        for name in &transports {
            write!(f, "  {name:>w$}", w = width(name))?;
        }
        writeln!(f)?;
        for case in &cases {
            write!(f, "{case:first$}")?;
            for name in &transports {
                let row = self.rows.iter().find(|row| row.case == *case && row.transport == *name);
                let cell = match row.map(|row| &row.outcome) {
                    Some(Outcome::Passed { .. }) => "ok",
                    Some(Outcome::Failed { .. }) => "FAILED",
                    Some(Outcome::NotApplicable { .. }) => "n/a",
                    None => "-",
                };
                write!(f, "  {cell:>w$}", w = width(name))?;
            }
            writeln!(f)?;
        }
        for name in transports {
            self.write_remarks(f, name)?;
        }
        for (transport, why) in &self.absent {
            writeln!(f, "{transport}: NOT TRIED: {why}")?;
        }
        Ok(())
    }
}

impl Table {
    fn write_remarks(&self, f: &mut fmt::Formatter<'_>, transport: &str) -> fmt::Result {
        let rows = || self.rows.iter().filter(|row| row.transport == transport);
        let of = |is: fn(&Outcome) -> bool| rows().filter(|row| is(&row.outcome)).count();
        let passed = of(|outcome| matches!(outcome, Outcome::Passed { .. }));
        let failed = of(|outcome| matches!(outcome, Outcome::Failed { .. }));
        let seconds = rows().map(|row| row.took).sum::<Duration>().as_secs();
        let missing = of(|outcome| matches!(outcome, Outcome::NotApplicable { .. }));
        writeln!(f, "{transport}: {passed} passed, {failed} failed, {missing} n/a; {seconds} s of cases")?;
        for Row { case, outcome, took, .. } in rows() {
            match outcome {
                Outcome::Passed { note } if note.is_empty() => {}
                Outcome::Passed { note } => writeln!(f, "  {case}: {note}")?,
                Outcome::Failed { why } => writeln!(f, "  FAILED {case} after {} ms: {why}", took.as_millis())?,
                Outcome::NotApplicable { missing } => writeln!(f, "  n/a {case}: it has no {missing}")?,
            }
        }
        Ok(())
    }
}
