//! `convoke-bench`: this project and its peers, side by side in one run.
//!
//! ```text
//! cargo run --release -p convoke-bench -- rounds              a table
//! cargo run --release -p convoke-bench -- rounds --json       one line per row
//! cargo run --release -p convoke-bench -- rounds --svg FILE   the table, and a chart of the ratios
//! ```
//!
//! What is done is a [work](harness::Work), who does it is a contestant. To add a contestant to a
//! work: one file in the work's folder, one line in its list. To add a work: one file beside
//! `rounds.rs`, one line in [`WORKS`].
//!
//! One contestant alone, counted in instructions, which do not depend on the machine's load; the
//! difference between two values of `--rounds` is free of everything that is set up once:
//!
//! ```text
//! cargo build --release -p convoke-bench
//! valgrind --tool=callgrind target/release/convoke-bench \
//!     rounds --only actix --n 100 --rounds 1000 --samples 1
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: its figures go to stdout, its complaints to stderr"
)]

mod chart;
mod harness;
mod options;
mod report;
mod rounds;

use std::process::ExitCode;

use harness::{Failure, Work};
use options::{Options, Request};

/// Everything that can be measured, by the name given on the command line.
const WORKS: &[Work] = &[rounds::WORK];

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Help) => {
            println!("{}", options::usage());
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("{complaint}\n\n{}", options::usage());
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let rows = harness::interleave(&options.work, &options.plan)?;
    if options.json {
        print!("{}", report::json(&options.work, &rows));
    } else {
        print!("{}", report::table(&options.work, &options.plan, &rows));
    }
    if let Some(file) = &options.svg {
        std::fs::write(file, chart::svg(&options.work, &rows))
            .map_err(|error| format!("cannot write the chart to {}: {error}", file.display()))?;
    }
    Ok(())
}
