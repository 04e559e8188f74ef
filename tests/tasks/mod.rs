//! Tasks over a database in memory, in virtual time; the suite over each database, and over each queue, is in
//! `tests/transports/tasks`.

/// What the tests of this folder do: no test.
mod lab;
/// How a job ends, and the event that says so.
mod ends;
/// Attempts that fail: what is tried again, and what is told when it is not.
mod failures;
/// When a job is due, how many there are, and in which order they go.
mod enqueued;
/// Jobs that are asked to end, take too long, or outlive their worker.
mod stopped;
/// How a worker says that it is.
mod health;
/// What a function asks for.
mod arguments;
/// What is wrong before anything is done.
mod wiring;
/// What users do by mistake.
mod misused;
/// What a task is about, and whether it can be had.
mod instances;
/// What `#[derive(Task)]` makes of a type.
mod derived;
/// When something is due again and again, also in the nights in which clocks are changed.
mod schedule;
/// Many jobs as one.
mod together;
/// Tasks over a queue, without a database.
mod over;
