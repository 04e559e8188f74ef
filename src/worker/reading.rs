//! By what a packet is read, and when it becomes an event: as late as that can be, for an event takes up to a hundred times the
//! memory.
//!
//! `a packet is here → Look: its key and its id → it waits → a slot is free → open → Codec → Envelope, or what a dead letter says`

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::engine::Shared;
use super::turns;
use crate::transport::Packet;
use crate::{Envelope, EnvelopeLimits, codec};

/// An event that takes no more is kept while it waits, if it had to be read for its key or its id.
const SMALL: usize = 16 * 1024;

/// What is known of a packet while it waits.
#[derive(Default)]
pub(crate) struct Look {
    /// What it is ordered by.
    pub(crate) key: Option<String>,
    /// Whether it has a key behind which others can be parked.
    pub(crate) parks: bool,
    /// What its copies are known by.
    pub(crate) id: Option<String>,
    /// If it is small, or no event.
    read: Option<Box<Result<Envelope, String>>>,
}

impl Look {
    /// Looks at a packet that has come, if somebody has to know its key or its id.
    pub(crate) fn at(packet: &Packet, shared: &Shared) -> Self {
        let options = &shared.options;
        if options.key.is_none() && options.inbox.is_none() {
            return Self::default();
        }
        let read = (options.codec)(packet, options.limits);
        let key = options.key.as_ref().zip(read.as_ref().ok());
        let key = key.and_then(|(key, envelope)| {
            let key = key(envelope)?;
            shared.keys.check(&shared.name, &key, packet, envelope);
            Some(key)
        });
        let id = options.inbox.as_ref().and(read.as_ref().ok()).map(|envelope| envelope.metadata.identity());
        // Of what is no event nobody knows the key but the server.
        let parks = options.parks && packet.key.is_some() && (key.is_some() || read.is_err());
        let keeps = read.is_err() || turns::parsed(packet) <= SMALL;
        Self { key, parks, id, read: keeps.then(|| Box::new(read)) }
    }

    /// Reads it, unless that was done.
    pub(crate) fn open(self, packet: &Packet, shared: &Shared) -> Result<Envelope, String> {
        match self.read {
            Some(read) => *read,
            None => (shared.options.codec)(packet, shared.options.limits),
        }
    }
}

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
