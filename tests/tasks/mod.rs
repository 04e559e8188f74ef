//! Tasks.

/// What `#[derive(Task)]` makes of a type.
mod derived;
/// When something is due again and again, also in the nights in which clocks are changed.
mod schedule;
