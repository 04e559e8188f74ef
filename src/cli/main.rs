//! The binary `convoke`; what it does is in the library beside it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    convoke_cli::run(std::env::args_os())
}
