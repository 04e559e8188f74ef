//! What the console is told of.

/// What the console shows.
#[derive(Clone, Debug, Default)]
pub struct Shown;
