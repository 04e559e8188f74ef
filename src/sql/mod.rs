//! What the databases have in common that keep events: how a database is reached, how its tables come about, and how who
//! waits for a row is woken.
//!
//! `URL or pool → PostgresDatabase → { queue, inbox, … } → convoke_… (tables)`
//!
//! In reading order: `steps` says which steps of a schema are missing, and who may go on without them; `attributes` writes
//! what stands beside a body as one text. `postgres/` is the handle of a PostgreSQL.
//!
//! What is built on a database knows this room; this room knows none of it. No statement of ours stands in a transaction
//! of the application unless the application hands it over.

mod attributes;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod steps;

pub(crate) use attributes::{read_attributes, write_attributes};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{Bell, describe, late, quoted};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresDatabase, PostgresDatabaseBuilder};
#[cfg(feature = "postgres")]
pub(crate) use steps::{Step, Steps, Unfit, Version};
