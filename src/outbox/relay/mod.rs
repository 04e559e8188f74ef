//! How events leave an outbox: read in the order of their keys, published, and deleted once a server has confirmed them.
//!
//! `rows.rs → track.rs: take → batch.rs: by which ways? → load.rs → Publisher → done: deleted by the next take`
//!
//! ```text
//! renewing.rs ─ lanes, by a lease ─▶ holding.rs ◀─ claims ─ track.rs (several at once, each of other lanes)
//! ```
//!
//! In reading order: `relay` is what users set up, `service` how it is kept alive. `engine` has what all parts share and runs
//! them, and `desk` has the database do what it is to do: `renewing` keeps the lease of lanes, `holding` knows which these are and who is at work on which, and by `dead` what does not leave, and a `track` takes
//! rows from some and sees to it that each of them leaves, dies or is parked. `batch` decides what becomes of rows that were
//! taken together, `load` is what of them leaves by one `way`. `wait` is for less than a millisecond. `health` and `meter` say
//! how that goes.
//!
//! A lane is in the hands of one relay, and of one of its tracks, from the take until what has left is deleted. Of a key the
//! next is sent when the one before is confirmed, unless the publisher takes them in order. After its lease a relay sends
//! nothing more.

mod relay;
mod service;
mod engine;
mod desk;
mod renewing;
mod holding;
mod dead;
mod track;
mod batch;
mod load;
mod way;
mod wait;
mod health;
mod meter;

pub use health::{RelayHealth, RelayProbe};
pub use relay::Relay;
pub use service::RelayService;
