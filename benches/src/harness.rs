//! The harness: runs every contestant of a work in turn, again and again, and takes medians.
//!
//! ```text
//! Work ── interleave(Plan) ──> Row ──> report.rs (table, JSON), chart.rs (SVG)
//! ```
//!
//! What is measured is the CPU time of the thread, not the time on the wall: on a shared machine
//! the latter says more about the neighbours. Contestants are interleaved, sample by sample, so that
//! a slow minute of the machine falls on all of them.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Why a measurement was given up: a contestant that did not do its work, or could not be set up.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Something that several contestants do, so that they can be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The subcommand, and `work` in the JSON.
    pub(crate) name: &'static str,
    /// What a figure is divided by, in the singular: "emitter".
    pub(crate) unit: &'static str,
    /// The contestant against which ratios are taken.
    pub(crate) baseline: &'static str,
    /// The sizes that are measured unless one is asked for.
    pub(crate) sizes: &'static [usize],
    /// The contestants, in the order of the table.
    pub(crate) contestants: &'static [Contestant],
}

/// Somebody who can do a work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    /// The name in the table and the JSON.
    pub(crate) name: &'static str,
    /// Sets up for `n`, does the work `rounds` times and returns the CPU time of these alone.
    pub(crate) run: fn(n: usize, rounds: u64) -> Result<Duration, Failure>,
}

/// What to measure, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Only the contestant of that name, or, if there is none, all whose name contains it.
    pub(crate) only: Option<String>,
    /// Only this size.
    pub(crate) n: Option<usize>,
    /// Rounds in a sample; by default as many as keep a sample near 30 ms.
    pub(crate) rounds: Option<u64>,
    /// Samples of which the median is taken.
    pub(crate) samples: usize,
}

/// The figures of one contestant at one size.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) contestant: &'static str,
    pub(crate) n: usize,
    /// CPU time per unit in nanoseconds: the median of the samples.
    pub(crate) cpu_ns: f64,
    /// Half the distance between the quartiles of the samples, as a part of the median.
    pub(crate) spread: f64,
}

impl Plan {
    fn contestants(&self, work: &Work) -> Vec<Contestant> {
        let all = work.contestants.iter().copied();
        match &self.only {
            None => all.collect(),
            // "actix" is also a part of other names, and it must be possible to run it alone.
            Some(only) if all.clone().any(|contestant| contestant.name == only) => {
                all.filter(|contestant| contestant.name == only).collect()
            }
            Some(only) => all.filter(|contestant| contestant.name.contains(only)).collect(),
        }
    }

    fn sizes(&self, work: &Work) -> Vec<usize> {
        self.n.map_or_else(|| work.sizes.to_vec(), |n| vec![n])
    }

    fn rounds(&self, n: usize) -> u64 {
        self.rounds.unwrap_or(100_000 / (n as u64 + 4)).max(1)
    }
}

/// Measures what the plan asks for; a row for each size and contestant, in the order of the work.
///
/// # Errors
///
/// If no contestant has the name asked for, or one of them did not do its work.
pub(crate) fn interleave(work: &Work, plan: &Plan) -> Result<Vec<Row>, Failure> {
    let contestants = plan.contestants(work);
    if contestants.is_empty() {
        let names: Vec<_> = work.contestants.iter().map(|contestant| contestant.name).collect();
        return Err(format!("no contestant of that name; there are: {}", names.join(" · ")).into());
    }
    let mut cells = Vec::new();
    for n in plan.sizes(work) {
        cells.extend(contestants.iter().map(|&contestant| Cell { contestant, n, samples: vec![] }));
    }
    for sample in 0..plan.samples {
        progress(sample, plan.samples);
        let count = cells.len();
        for turn in 0..count {
            // Another one begins each time, so that nobody always follows the same neighbour.
            cells[(turn + sample) % count].take_sample(plan)?;
        }
    }
    progress(plan.samples, plan.samples);
    Ok(cells.into_iter().map(Cell::into_row).collect())
}

/// The CPU time this thread has used so far.
pub(crate) fn cpu_time() -> Duration {
    // The clock counts up from the start of the thread: it is never negative.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The row of `contestant` at `n`.
pub(crate) fn find<'a>(rows: &'a [Row], contestant: &str, n: usize) -> Option<&'a Row> {
    rows.iter().find(|row| row.contestant == contestant && row.n == n)
}

/// How many times as fast as the baseline this row is; `None` if the baseline was not measured.
pub(crate) fn ratio(work: &Work, rows: &[Row], row: &Row) -> Option<f64> {
    find(rows, work.baseline, row.n).map(|baseline| baseline.cpu_ns / row.cpu_ns)
}

/// A row in the making.
struct Cell {
    contestant: Contestant,
    n: usize,
    samples: Vec<f64>,
}

impl Cell {
    fn take_sample(&mut self, plan: &Plan) -> Result<(), Failure> {
        let rounds = plan.rounds(self.n);
        let spent = (self.contestant.run)(self.n, rounds)
            .map_err(|failure| format!("{} with n = {} failed: {failure}", self.contestant.name, self.n))?;
        self.samples.push(spent.as_nanos() as f64 / (rounds as f64 * self.n as f64));
        Ok(())
    }

    fn into_row(mut self) -> Row {
        self.samples.sort_by(f64::total_cmp);
        let cpu_ns = quantile(&self.samples, 0.5);
        let distance = quantile(&self.samples, 0.75) - quantile(&self.samples, 0.25);
        Row { contestant: self.contestant.name, n: self.n, cpu_ns, spread: distance / 2.0 / cpu_ns }
    }
}

/// The value below which `part` of the sorted samples lie, interpolated between neighbours.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * sorted.len().saturating_sub(1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}

/// Says on a terminal how far we are; a failure to say it is of no interest.
fn progress(done: usize, of: usize) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let end = if done == of { "\r\x1b[K" } else { "" };
        let _ = write!(stderr, "\rsample {} of {of}{end}", (done + 1).min(of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work {
        name: "nothing",
        unit: "piece",
        baseline: "actix",
        sizes: &[2, 10],
        contestants: &[
            Contestant { name: "actix", run: |n, rounds| Ok(Duration::from_nanos(n as u64 * rounds * 8)) },
            Contestant { name: "actix, quick", run: |n, rounds| Ok(Duration::from_nanos(n as u64 * rounds * 2)) },
            Contestant { name: "broken", run: |_, _| Err("lost a signal".into()) },
        ],
    };

    fn only(name: &str) -> Plan {
        Plan { only: Some(name.to_owned()), n: None, rounds: None, samples: 3 }
    }

    fn names(plan: &Plan) -> Vec<&'static str> {
        plan.contestants(&WORK).iter().map(|contestant| contestant.name).collect()
    }

    #[test]
    fn a_whole_name_goes_before_a_part_of_one() {
        assert_eq!(names(&only("actix")), ["actix"]);
        assert_eq!(names(&only("acti")), ["actix", "actix, quick"]);
        assert!(interleave(&WORK, &only("nobody")).is_err());
    }

    #[test]
    fn rows_come_in_order_and_ratios_say_how_many_times_as_fast() -> Result<(), Failure> {
        let rows = interleave(&WORK, &only("acti"))?;
        let shape: Vec<_> = rows.iter().map(|row| (row.n, row.contestant, row.cpu_ns)).collect();
        assert_eq!(shape, [(2, "actix", 8.0), (2, "actix, quick", 2.0), (10, "actix", 8.0), (10, "actix, quick", 2.0)]);
        assert_eq!(ratio(&WORK, &rows, &rows[1]), Some(4.0));
        assert_eq!(ratio(&WORK, &rows[1..2], &rows[1]), None);
        Ok(())
    }

    #[test]
    fn who_does_not_do_the_work_is_named() {
        let failure = interleave(&WORK, &only("broken")).err().map(|failure| failure.to_string());
        assert_eq!(failure.as_deref(), Some("broken with n = 2 failed: lost a signal"));
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 9.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0, 9.0], 0.5), 3.0);
        assert_eq!(quantile(&[7.0], 0.75), 7.0);
    }
}
