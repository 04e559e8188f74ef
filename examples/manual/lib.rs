//! What the manual shows beside crates that no reader of it need build, a file for each chapter: compiled, and never run.
//!
//! A chapter has such a snippet as `rust,ignore`, and `.ci/snippets` asks that it stands in one of these files as it does
//! there, line for line; indented as a whole, where it goes into a function. Whoever changes one changes the other.
#![allow(dead_code, reason = "what a program would begin with is called by nobody here")]
#![allow(clippy::print_stdout, reason = "the programs of the manual print")]

mod application;
mod coming_from;
mod console;
mod production;
