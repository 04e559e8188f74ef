//! DOOR

mod envelope;
mod envelope_limits;
mod case;
pub(crate) mod wire;

pub use case::Case;
pub use envelope::{Envelope, EnvelopeError};
pub use envelope_limits::EnvelopeLimits;
pub use wire::PublishDate;
pub(crate) use wire::whole_micros;
