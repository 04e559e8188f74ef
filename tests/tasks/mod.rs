//! Tasks.

/// What `#[derive(Task)]` makes of a type.
mod derived;
