//! How a worker reads: any form of ours, or by what the user gives it.
//!
//! `Packet → Codec → Envelope, or what a dead letter says`

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::transport::Packet;
use crate::{Envelope, EnvelopeLimits, codec};

/// How a worker reads; an error says what it is for who looks at the dead letter.
pub(crate) type Codec = Arc<dyn Fn(&Packet, EnvelopeLimits) -> Result<Envelope, String>>;

/// Reads whatever form of ours it is.
pub(crate) fn any() -> Codec {
    Arc::new(|packet, limits| codec::read(packet, limits).map_err(|error| error.to_string()))
}

/// Reads by a codec of the user's own: what is too large it does not see, and if it panics, that is an error.
pub(crate) fn of<E: Display>(read: impl Fn(&Packet, EnvelopeLimits) -> Result<Envelope, E> + 'static) -> Codec {
    Arc::new(move |packet, limits| {
        let (bytes, limit) = (packet.bytes(), limits.max_bytes());
        if bytes > limit {
            return Err(codec::CodecError::TooLarge { bytes, limit }.to_string());
        }
        match catch_unwind(AssertUnwindSafe(|| read(packet, limits))) {
            Ok(read) => read.map_err(|error| error.to_string()),
            Err(_) => Err("the codec panicked at it".to_owned()),
        }
    })
}
