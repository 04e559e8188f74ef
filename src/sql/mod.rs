//! What the databases have in common that keep events: how a database is reached, how its tables come about, and how who
//! waits for a row is woken.
//!
//! `path, URL or pool → SqliteDatabase | PostgresDatabase → { queue, inbox } → convoke_… (tables)`
//!
//! In reading order: `steps` says which steps of a schema are missing, and who may go on without them; `attributes` writes
//! what stands beside a body as one text; `room` says how many a subscriber may have been lent. `sqlite/` and `postgres/`
//! are the handles of the databases, each alike: a builder, the database, how it is reached, its schema, and what it says
//! of a fault.
//!
//! What is built on a database knows this room; this room knows none of it. No statement of ours stands in a transaction
//! of the application unless the application hands it over.

mod attributes;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod room;
mod steps;

pub(crate) use attributes::{read_attributes, write_attributes};
pub(crate) use room::Room;
pub(crate) use steps::{Step, Steps, Unfit, Version};
