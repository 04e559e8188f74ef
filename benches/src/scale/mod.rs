//! The subject "scale": what one thing costs among many that do not concern it.
//!
//! ```text
//! events.rs     listeners that come and go, buses, retained topics
//! rounds.rs     consumers that join, open rounds that are looked at
//! services.rs   services that start one after the other, and one that restarts among many
//! queues.rs     what is taken from a queue in a database, while many wait or were done
//! ```
//!
//! Nobody else stands beside them: each row is compared with itself at its smallest size. What grows with the size is
//! printed as a ratio, so that a row which ought to be flat can be seen to be.

mod events;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod queues;
mod rounds;
mod services;

use std::time::Duration;

use crate::harness::{Failure, Plan, quantile};
use crate::report::thousands;

/// One thing that is done among `n` others.
pub(crate) struct Growth {
    /// The name in the table and the JSON.
    name: &'static str,
    /// What is done, in the singular: the unit of the figures.
    unit: &'static str,
    sizes: &'static [usize],
    /// How often a sample does it, unless `--rounds` says so.
    times: u64,
    /// Sets up `n`, does it so many times, and returns the CPU time of these alone.
    run: fn(n: usize, times: u64) -> Result<Duration, Failure>,
}

/// A row of the table at one size.
struct Row {
    growth: &'static Growth,
    n: usize,
    cpu_ns: f64,
    /// How many times what it takes at the smallest size that was measured.
    grown: f64,
}

/// All rows, in the order of the table.
fn rows() -> impl Iterator<Item = &'static Growth> {
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    let queues = queues::ROWS;
    #[cfg(not(any(feature = "postgres", feature = "sqlite")))]
    let queues = &[];
    [events::ROWS, rounds::ROWS, services::ROWS, queues].into_iter().flatten()
}

/// Measures what the plan asks for, and prints it row by row. `--only` names a row.
///
/// # Errors
///
/// If no row has that name, or one of them does not do its work.
pub(crate) fn run(plan: &Plan, json: bool) -> Result<(), Failure> {
    let asked = |growth: &&Growth| plan.only.as_ref().is_none_or(|only| growth.name.contains(only.as_str()));
    let asked: Vec<_> = rows().filter(asked).collect();
    if asked.is_empty() {
        let names: Vec<_> = rows().map(|growth| growth.name).collect();
        return Err(format!("no row of that name; there are: {}", names.join(" · ")).into());
    }
    if !json {
        println!("scale: CPU time in ns (median of {}), and how many times that of the smallest size\n", plan.samples);
    }
    for growth in asked {
        let mut smallest = None;
        for &n in growth.sizes.iter().filter(|size| plan.n.is_none_or(|n| n == **size)) {
            let row = measure(growth, n, plan, &mut smallest)?;
            print!("{}", if json { row.json() } else { row.line() });
        }
    }
    Ok(())
}

fn measure(growth: &'static Growth, n: usize, plan: &Plan, smallest: &mut Option<f64>) -> Result<Row, Failure> {
    let times = plan.rounds.unwrap_or(growth.times);
    let mut samples = Vec::new();
    for _ in 0..plan.samples {
        let cpu =
            (growth.run)(n, times).map_err(|failure| format!("{} with n = {n} failed: {failure}", growth.name))?;
        samples.push(cpu.as_nanos() as f64 / times as f64);
    }
    samples.sort_by(f64::total_cmp);
    let cpu_ns = quantile(&samples, 0.5);
    Ok(Row { growth, n, cpu_ns, grown: cpu_ns / *smallest.get_or_insert(cpu_ns) })
}

impl Row {
    fn line(&self) -> String {
        let what = format!("{} ({})", self.growth.name, self.growth.unit);
        format!("{what:<66}{:>9}{:>12.0}{:>9.2}×\n", thousands(self.n), self.cpu_ns, self.grown)
    }

    fn json(&self) -> String {
        format!(
            "{{\"work\": \"scale\", \"contestant\": \"{}\", \"n\": {}, \"cpu_ns\": {:.1}}}\n",
            self.growth.name, self.n, self.cpu_ns
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_does_its_work_at_a_small_size() -> Result<(), Failure> {
        for growth in rows() {
            (growth.run)(3, 2).map_err(|failure| format!("{}: {failure}", growth.name))?;
        }
        Ok(())
    }

    #[test]
    fn no_name_is_given_twice_and_a_line_of_json_says_what_it_is() -> serde_json::Result<()> {
        let mut names: Vec<_> = rows().map(|growth| growth.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for growth in rows() {
            let line: serde_json::Value = serde_json::from_str(&Row { growth, n: 7, cpu_ns: 1.25, grown: 1.0 }.json())?;
            assert_eq!((&line["contestant"], &line["n"]), (&growth.name.into(), &7.into()));
        }
        Ok(())
    }
}
