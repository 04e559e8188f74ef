//! State that is folded from a store, with its position in the transaction of its own rows.
//!
//! ```text
//! projection.rs: catch_up ─▶ applying.rs: reading/ ─▶ a transaction ─▶ editions.rs: advance, if nobody else has ─▶ Project::apply
//!
//!                rebuild  ─▶ rebuilding.rs: another edition ─▶ the same, to where the present one is ─▶ editions.rs: switch
//! ```
//!
//! In reading order: `project` is what users write, `projection` what they hold; `applying` makes rows of records, `rebuilding` puts
//! another edition in the place of the present one. `editions` is what that needs of a database, of which there is one in each of
//! `sqlite`, `postgres` and `memory`. `service` follows a store; `error` is what goes wrong.
//!
//! Position and rows are written by one transaction, which fails if somebody else has moved the position: so each record is applied
//! to an edition once, whatever is killed when, and however many processes do it.

mod project;
mod projection;
mod applying;
mod rebuilding;
mod service;
mod editions;
mod error;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use editions::ProjectionDatabase;
pub use error::{ProjectionError, ProjectionFault};
pub use project::{Edition, Project};
pub use projection::{Projection, ProjectionBuilder};
pub use service::ProjectionService;
