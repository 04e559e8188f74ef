//! Workers in processes of their own, which end as they like.
//!
//! `Place (a database in files) → in_processes! → a Crew of children → batches, crashing, ticking`, `killed: SQLite and PostgreSQL`

/// Workers in processes of their own: no test.
pub(super) mod children;
/// Batches whose workers are killed.
mod batches;
/// Functions that take their process with them.
mod crashing;
/// Workers that are killed.
mod killed;
/// Schedules, and clocks that are set.
mod ticking;
