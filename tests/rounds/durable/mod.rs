//! Durable rounds, over a database in memory and in virtual time: what is a row outlives whoever has written it.
//!
//! `signals` is what a round is told and tells, `restarts` what outlives a process, `consumers` who hears, `rules` what two programs
//! may differ in, `incidents` what went wrong elsewhere, `wrong` what is refused when it is set up, and `conformance/` what others require,
//! as a table. `over_servers/` is the same over SQLite, PostgreSQL and Redis, in tests/over_servers.rs.

mod conformance;
mod consumers;
mod incidents;
mod restarts;
mod rules;
mod signals;
mod wrong;
