//! How records are read.
//!
//! ```text
//! read.rs ─▶ reading.rs ─▶ records.rs: page ─▶ row.rs: is it what was written? ─▶ recorded.rs ─▶ codec/upcasts.rs ─▶ an event
//! ```
//!
//! In reading order: `read` says what is read, `reading` reads it a page at a time, `recorded` is what one gets, which
//! upcasters lift to the present version.
//!
//! Nobody sees a record that is not what was written, nor one behind a record that is missing.

mod read;
mod reading;
mod recorded;

pub use read::Read;
pub(crate) use read::some;
pub use reading::Reading;
pub(crate) use recorded::Lens;
pub use recorded::Recorded;
