//! `convoke-bench`: this project and its peers, side by side in one run.
//!
//! ```text
//! cargo run --release -p convoke-bench -- rounds              a table
//! cargo run --release -p convoke-bench -- rounds --json       one line per row
//! cargo run --release -p convoke-bench -- rounds --svg FILE   the table, and a chart of the ratios
//! cargo run --release -p convoke-bench -- events              the tables of all that is done with events
//! cargo run --release -p convoke-bench -- events-burst        one of them
//! cargo run --release -p convoke-bench -- transports          ours over each server, and the bare clients
//! cargo run --release -p convoke-bench -- scale               what one thing costs among many others
//! cargo run --release -p convoke-bench -- outbox              a relay from a database to a server, and SQL by hand
//! cargo run --release -p convoke-bench -- store               events that are kept and read again, and SQL by hand
//! cargo run --release -p convoke-bench -- durable             rounds whose signals are rows, and the same rows by hand
//! cargo run --release -p convoke-bench -- tasks               jobs in a database, SQL by hand, and others who keep some
//! cargo run --release -p convoke-bench -- tasks-drain         one table of that
//! ```
//!
//! What is done is a [work](harness::Work), who does it is a contestant. To add a contestant to a
//! work: one file in the work's folder, one line in its list. To add a work: one file beside
//! `rounds.rs`, one line in [`SUBJECTS`]; or beside those in `events/`, one line in `events.rs`.
//!
//! One contestant alone, counted in instructions, which do not depend on the machine's load; the
//! difference between two values of `--rounds` is free of everything that is set up once:
//!
//! ```text
//! cargo build --release -p convoke-bench
//! valgrind --tool=callgrind target/release/convoke-bench \
//!     rounds --only actix --n 100 --rounds 1000 --samples 1
//! ```
//!
//! So one sees as well what a feature costs that is not used: build once more with
//! `--features convoke/metrics,convoke/discover`, and count again.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: its figures go to stdout, its complaints to stderr"
)]

mod chart;
#[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
#[path = "rounds/durable/mod.rs"]
mod durable;
#[cfg(not(all(feature = "postgres", feature = "redis", feature = "sqlite")))]
mod durable {
    pub(crate) fn run(_: &crate::harness::Plan, _: bool) -> Result<(), crate::harness::Failure> {
        Err("durable rounds need the features `postgres`, `redis` and `sqlite`".into())
    }
}
mod events;
mod figure;
mod harness;
mod options;
#[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod outbox;
#[cfg(not(all(feature = "postgres", feature = "redis", feature = "sqlite")))]
mod outbox {
    pub(crate) fn run(_: &crate::harness::Plan, _: bool) -> Result<(), crate::harness::Failure> {
        Err("the outbox needs the features `postgres`, `redis` and `sqlite`".into())
    }
}
mod report;
mod rounds;
mod scale;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
mod store;
#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
mod store {
    pub(crate) fn run(_: &crate::harness::Plan, _: bool) -> Result<(), crate::harness::Failure> {
        Err("the store needs the features `postgres` and `sqlite`".into())
    }
}
#[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod tasks;
#[cfg(not(all(feature = "postgres", feature = "redis", feature = "sqlite")))]
mod tasks {
    use crate::harness::{Failure, Plan};

    pub(crate) const PARTS: [&str; 0] = [];

    pub(crate) fn run(_: Option<&str>, _: &Plan, _: bool) -> Result<(), Failure> {
        Err("tasks need the features `postgres`, `redis` and `sqlite`".into())
    }

    pub(crate) fn memory_here(_: &Plan) -> Result<(), Failure> {
        Err("tasks need the features `postgres`, `redis` and `sqlite`".into())
    }
}
mod transports;

use std::process::ExitCode;

use harness::{Failure, Work};
use options::{Options, Request};

/// Everything that can be measured: each work by its own name, or all that stand under one name.
const SUBJECTS: &[(&str, &[Work])] = &[
    (rounds::WORK.name, &[rounds::WORK]),
    ("events", events::WORKS),
    (events::memory::HERE.name, &[events::memory::HERE]),
];

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Transports { plan, json }) => return ended(transports::run(&plan, json)),
        Ok(Request::Scale { plan, json }) => return ended(scale::run(&plan, json)),
        Ok(Request::Outbox { plan, json }) => return ended(outbox::run(&plan, json)),
        Ok(Request::Store { plan, json }) => return ended(store::run(&plan, json)),
        Ok(Request::Durable { plan, json }) => return ended(durable::run(&plan, json)),
        Ok(Request::Tasks { part, plan, json }) => return ended(tasks::run(part, &plan, json)),
        Ok(Request::TasksMemory { plan }) => return ended(tasks::memory_here(&plan)),
        Ok(Request::Help) => {
            println!("{}", options::usage());
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("{complaint}\n\n{}", options::usage());
            return ExitCode::from(2);
        }
    };
    ended(run(&options))
}

fn ended(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    // Of several works, those are left out that know nobody whom `--only` names.
    let works: Vec<_> = options.works.iter().filter(|work| !options.plan.contestants(work).is_empty()).collect();
    if works.is_empty() {
        return Err(harness::nobody(options.works));
    }
    for (place, work) in works.into_iter().enumerate() {
        let rows = harness::interleave(work, &options.plan)?;
        if options.json {
            print!("{}", report::json(work, &rows));
        } else {
            print!("{}{}", if place == 0 { "" } else { "\n" }, report::table(work, &options.plan, &rows));
        }
        if let Some(file) = &options.svg {
            std::fs::write(file, chart::svg(work, &rows))
                .map_err(|error| format!("cannot write the chart to {}: {error}", file.display()))?;
        }
    }
    Ok(())
}
