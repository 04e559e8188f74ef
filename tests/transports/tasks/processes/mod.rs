//! Workers in processes of their own, which end as they like.
//!
//! `Place (a database in files) → in_processes! → a Crew of children → crashing, ticking`, `killed: SQLite and PostgreSQL`

/// Workers in processes of their own: no test.
pub(super) mod children;
/// Functions that take their process with them.
mod crashing;
/// Workers that are killed.
mod killed;
/// Schedules, and clocks that are set.
mod ticking;
