//! The harness: runs every contestant of a work in turn, again and again, and takes medians.
//!
//! ```text
//! Work ── interleave(Plan) ──> Row ──> report.rs (table, JSON), chart.rs (SVG)
//! ```
//!
//! What is measured is CPU time, not the time on the wall: on a shared machine the latter says more about
//! the neighbors. It is that of the thread, or, where two threads do the work, of the process.
//! Contestants are interleaved, sample by sample, so that a slow minute of the machine falls on all of
//! them. One work weighs memory instead.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::slice;

use crate::figure::{Cost, Figure};

/// Why a measurement was given up: a contestant that did not do its work, or could not be set up.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Something that several contestants do, so that they can be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The subcommand, and `work` in the JSON.
    pub(crate) name: &'static str,
    /// What a figure is divided by, in the singular: "emitter".
    pub(crate) unit: &'static str,
    /// What is compared.
    pub(crate) figure: Figure,
    /// The contestant against which ratios are taken.
    pub(crate) baseline: &'static str,
    /// The sizes that are measured unless one is asked for.
    pub(crate) sizes: &'static [usize],
    /// How often a round does the work for each of `n`: an event to `n` listeners once, a burst of 64 as often.
    pub(crate) burst: u64,
    /// About how many units a sample has; `n` counts as four more, for what a round costs by itself.
    pub(crate) sample: u64,
    /// The contestants, in the order of the table.
    pub(crate) contestants: &'static [Contestant],
}

/// Somebody who can do a work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    /// The name in the table and the JSON.
    pub(crate) name: &'static str,
    /// Sets up for `n`, does the work `rounds` times and returns the cost of these alone.
    pub(crate) run: fn(n: usize, rounds: u64) -> Result<Cost, Failure>,
}

/// What to measure, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Only the contestant of that name, or, if there is none, all whose name contains it.
    pub(crate) only: Option<String>,
    /// Only this size.
    pub(crate) n: Option<usize>,
    /// Rounds in a sample; by default as many as keep one of the slower contestants near 30 ms.
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
    /// Memory per unit in bytes, where it is what counts: the median of the samples.
    pub(crate) bytes: Option<f64>,
    /// Half the distance between the quartiles of the samples of what counts, as a part of the median.
    pub(crate) spread: f64,
}

impl Row {
    /// What this row is compared by.
    pub(crate) fn figure(&self) -> f64 {
        self.bytes.unwrap_or(self.cpu_ns)
    }
}

impl Plan {
    /// Those of the work that are asked for; maybe none.
    pub(crate) fn contestants(&self, work: &Work) -> Vec<Contestant> {
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

    fn rounds(&self, work: &Work, n: usize) -> u64 {
        self.rounds.unwrap_or(work.sample / ((n as u64 + 4) * work.burst)).max(1)
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
        return Err(nobody(slice::from_ref(work)));
    }
    let mut cells = Vec::new();
    for n in plan.sizes(work) {
        cells.extend(contestants.iter().map(|&contestant| Cell { contestant, n, times: vec![], bytes: vec![] }));
    }
    for sample in 0..plan.samples {
        progress(sample, plan.samples);
        let count = cells.len();
        for turn in 0..count {
            // Another one begins each time, so that nobody always follows the same neighbor.
            cells[(turn + sample) % count].take_sample(work, plan)?;
        }
    }
    progress(plan.samples, plan.samples);
    Ok(cells.into_iter().map(Cell::into_row).collect())
}

/// The complaint that `--only` names no contestant of these works.
pub(crate) fn nobody(works: &[Work]) -> Failure {
    let mut names = Vec::new();
    for contestant in works.iter().flat_map(|work| work.contestants) {
        if !names.contains(&contestant.name) {
            names.push(contestant.name);
        }
    }
    format!("no contestant of that name; there are: {}", names.join(" · ")).into()
}

/// The row of `contestant` at `n`.
pub(crate) fn find<'a>(rows: &'a [Row], contestant: &str, n: usize) -> Option<&'a Row> {
    rows.iter().find(|row| row.contestant == contestant && row.n == n)
}

/// How many times as fast, or as small, as the baseline this row is; `None` if the baseline was not measured.
pub(crate) fn ratio(work: &Work, rows: &[Row], row: &Row) -> Option<f64> {
    find(rows, work.baseline, row.n).map(|baseline| baseline.figure() / row.figure())
}

/// A row in the making.
struct Cell {
    contestant: Contestant,
    n: usize,
    times: Vec<f64>,
    bytes: Vec<f64>,
}

impl Cell {
    fn take_sample(&mut self, work: &Work, plan: &Plan) -> Result<(), Failure> {
        let rounds = plan.rounds(work, self.n);
        let cost = (self.contestant.run)(self.n, rounds)
            .map_err(|failure| format!("{} with n = {} failed: {failure}", self.contestant.name, self.n))?;
        let units = rounds as f64 * self.n as f64 * work.burst as f64;
        self.times.push(cost.cpu.as_nanos() as f64 / units);
        self.bytes.extend(cost.bytes.map(|bytes| bytes as f64 / units));
        Ok(())
    }

    fn into_row(mut self) -> Row {
        self.times.sort_by(f64::total_cmp);
        self.bytes.sort_by(f64::total_cmp);
        let counts = if self.bytes.is_empty() { &self.times } else { &self.bytes };
        let distance = quantile(counts, 0.75) - quantile(counts, 0.25);
        Row {
            contestant: self.contestant.name,
            n: self.n,
            cpu_ns: quantile(&self.times, 0.5),
            bytes: (!self.bytes.is_empty()).then(|| quantile(&self.bytes, 0.5)),
            spread: distance / 2.0 / quantile(counts, 0.5),
        }
    }
}

/// The value below which `part` of the sorted samples lie, interpolated between neighbors.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
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
    use std::time::Duration;

    use super::*;

    const WORK: Work = Work {
        name: "nothing",
        unit: "piece",
        figure: Figure::CpuTime,
        baseline: "actix",
        sizes: &[2, 10],
        burst: 1,
        sample: 100_000,
        contestants: &[
            Contestant { name: "actix", run: |n, rounds| Ok(Duration::from_nanos(n as u64 * rounds * 8).into()) },
            Contestant {
                name: "actix, quick",
                run: |n, rounds| Ok(Duration::from_nanos(n as u64 * rounds * 2).into()),
            },
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
    fn a_burst_is_shared_out_among_its_events() -> Result<(), Failure> {
        let work = Work { burst: 4, sample: 600, ..WORK };
        let plan = Plan { n: Some(2), ..only("actix") };
        assert_eq!(plan.rounds(&work, 2), 25);
        assert_eq!(interleave(&work, &plan)?[0].cpu_ns, 2.0);
        Ok(())
    }

    #[test]
    fn where_memory_counts_ratios_and_spread_are_of_bytes() -> Result<(), Failure> {
        const fn weighing<const BYTES: u64>(name: &'static str) -> Contestant {
            let run = |n, _| Ok(Cost { cpu: Duration::from_nanos(70), bytes: Some(n as u64 * BYTES) });
            Contestant { name, run }
        }
        const SMALL: Contestant = weighing::<16>("small");
        const LARGE: Contestant = weighing::<64>("large");
        let work = Work { figure: Figure::Memory, baseline: "large", contestants: &[SMALL, LARGE], ..WORK };
        let rows = interleave(&work, &Plan { only: None, n: Some(7), rounds: Some(1), samples: 3 })?;
        assert_eq!((rows[0].bytes, rows[0].cpu_ns, rows[0].spread), (Some(16.0), 10.0, 0.0));
        assert_eq!(ratio(&work, &rows, &rows[0]), Some(4.0));
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
