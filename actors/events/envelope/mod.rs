//! An event outside of the process: its metadata and its payload, in the form that services elsewhere read and write.
//!
//! `Envelope → to_vec → a server → from_slice → envelope_limits → case, wire → Envelope → a bus`
//!
//! In reading order: `envelope`, what it is; `envelope_limits`, what is looked at before anything is parsed; `case`, the keys
//! in camel, snake and Pascal case; `cased`, an envelope in one of them; `wire`, what each key means and how much of what others
//! send is let pass; `quick` reads what is written as we write it, and `bytes` looks at eight of them together.
//!
//! Bytes from outside are bounded before they are read, and no error quotes them: they may be personal. Written and read
//! again, an envelope is equal to itself.

mod envelope;
mod envelope_limits;
mod case;
mod cased;
mod wire;
mod quick;
mod bytes;

pub use case::Case;
pub(crate) use cased::{to_vec, to_vec_around};
pub use envelope::{Envelope, EnvelopeError};
pub use envelope_limits::EnvelopeLimits;
