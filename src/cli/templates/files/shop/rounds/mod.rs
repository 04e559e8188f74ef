//! What several parties owe each other: a file for each round.

pub mod shipping;
