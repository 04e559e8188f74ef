//! What the databases have in common that keep events: how a database is reached, how its tables come about, and how who
//! waits for a row is woken.
//!
//! `path, URL or pool → SqliteDatabase | PostgresDatabase → { queue, inbox } → convoke_… (tables)`,
//! `Memory::database() → MemoryDatabase → { queue, inbox }`
//!
//! In reading order: `steps` says which steps of a schema are missing, and who may go on without them, and `tables` tells that who asks; `attributes` writes
//! what stands beside a body as one text; `bell` wakes who waits in this process; `parcels` are packets on their way into a queue;
//! `room` says how many a subscriber may have been lent, and `ahead` is what it has asked for. `sqlite/` and `postgres/` are the handles of the databases, each alike: a builder, the database, how it is
//! reached, its schema, and what it says of a fault; `memory/` is a database for tests, without tables.
//!
//! What is built on a database knows this room; this room knows none of it. No statement of ours stands in a transaction
//! of the application unless the application hands it over.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod ahead;
mod attributes;
mod bell;
pub(crate) mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod parcels;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod room;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod steps;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tables;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use ahead::Ahead;
pub(crate) use attributes::{read_attributes, write_attributes};
pub(crate) use bell::Bell;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use parcels::{MAX_BYTES, MAX_PACKETS, Parcel, Parcels, first_together, wanted};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use room::Room;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use steps::{Step, Steps, Unfit, Version};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use tables::{TableStep, Tables};
