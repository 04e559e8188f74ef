//! Durable rounds, over a database in memory and in virtual time: what is a row outlives whoever has written it.
//!
//! `signals` is what a round is told and tells, `parties` what these say of themselves, `summons` how they are asked, `told` what an
//! emitter hears that asked to, `next` is what waits for the next round, `aborting` who ends one, `restarts` what outlives a process,
//! `consumers` who hears, `rules` what two programs may differ in, `incidents` what went wrong elsewhere, `wrong` what is refused when it is
//! set up, `own_store` a store that is none of ours, and `conformance/` what others require, as a table.
//! `over_servers/` is the same over SQLite, PostgreSQL and Redis, in tests/over_servers.rs.

mod aborting;
mod conformance;
mod consumers;
mod incidents;
mod next;
mod own_store;
mod parties;
mod restarts;
mod rules;
mod signals;
mod summons;
mod told;
mod wrong;
