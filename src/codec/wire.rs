//! The form that services of this kind speak among each other.
//!
//! `Envelope → {"metadata": …, "payload": …} and three names → Packet`

use std::cell::RefCell;
use std::collections::VecDeque;

use convoke_actors::__private::{Case, write_envelope, write_envelope_around};
use serde_json::Value;

use super::write::Codec;
use crate::transport::{Attributes, Packet};
use crate::{Envelope, Metadata};

/// How many names stand beside a body.
pub(super) const NAMES: usize = 3;

/// The default codec, for services that use the same envelope: the body is the [`Envelope`], and the attributes
/// `entityName`, `publisherName` and `eventName` stand beside it, each unless it is empty.
///
/// The keys of the envelope and of its metadata are written in one of three cases. The payload is written as it is, and
/// the names of the attributes, by which servers filter, are the same in each case. [`read`](super::read) accepts all
/// three cases, even mixed.
///
/// | | for | `eventName` is written as |
/// |---|---|---|
/// | [`Wire::camel`], the default | Convoke, and services that follow the documentation of the envelope | `eventName` |
/// | [`Wire::snake`] | the Python package that the envelope was made for: it reads snake and Pascal case only | `event_name` |
/// | [`Wire::pascal`] | that package too, and services that expect what it writes | `EventName` |
///
/// ```
/// use convoke::codec::{self, Codec, Wire};
/// use convoke::{Envelope, EnvelopeLimits, Metadata};
/// use serde_json::json;
///
/// let envelope = Envelope::new(Metadata::new("UserRegistered"), json!({"userId": 17}));
/// for wire in [Wire::camel(), Wire::snake(), Wire::pascal()] {
///     let packet = wire.write(&envelope);
///     assert_eq!(packet.attributes.text("eventName"), Some("UserRegistered"));
///     assert_eq!(codec::read(&packet, EnvelopeLimits::default())?, envelope);
/// }
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    case: Case,
}

/// [`Wire::camel()`](struct@Wire), the default, as a constant.
#[expect(non_upper_case_globals, reason = "it stands for the one value that the type had")]
pub const Wire: Wire = Wire::camel();

impl Wire {
    /// Returns a codec that writes keys in camel case, as in `eventName`.
    pub const fn camel() -> Self {
        Self { case: Case::Camel }
    }

    /// Returns a codec that writes keys in snake case, as in `event_name`.
    pub const fn snake() -> Self {
        Self { case: Case::Snake }
    }

    /// Returns a codec that writes keys in Pascal case, as in `EventName`.
    pub const fn pascal() -> Self {
        Self { case: Case::Pascal }
    }

    /// Writes an event whose payload is kept elsewhere.
    pub(crate) fn write_parts(self, metadata: &Metadata, payload: &Value) -> Packet {
        packet(metadata, write_envelope(metadata, payload, self.case))
    }

    /// Writes an event whose payload was written before, as JSON.
    pub(crate) fn write_around(self, metadata: &Metadata, payload: &[u8]) -> Packet {
        packet(metadata, write_envelope_around(metadata, payload, self.case))
    }
}

impl Codec for Wire {
    fn write(&self, envelope: &Envelope) -> Packet {
        self.write_parts(&envelope.metadata, &envelope.payload)
    }

    fn max_attributes(&self) -> usize {
        NAMES
    }
}

fn packet(metadata: &Metadata, body: Vec<u8>) -> Packet {
    let mut packet = Packet::new(metadata.id.to_string(), body);
    packet.topic = metadata.topic.as_str().to_owned();
    packet.attributes = names(metadata);
    packet
}

/// What servers filter by.
pub(super) fn names(metadata: &Metadata) -> Attributes {
    let names: [_; NAMES] = [
        ("entityName", metadata.entity.as_str()),
        ("eventName", metadata.event.as_str()),
        ("publisherName", &*metadata.publisher),
    ];
    // SQS refuses a text that is empty.
    let named = || names.into_iter().filter(|(_, value)| !value.is_empty());
    let make = || {
        let mut attributes = Attributes::default();
        for (name, value) in named() {
            attributes.insert_constant(name, value);
        }
        attributes.shared()
    };
    let is_it = |there: &Attributes| {
        there.len() == named().count() && named().all(|(name, value)| there.text(name) == Some(value))
    };
    let last = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        if let Some(again) = last.iter().find(|there| is_it(there)) {
            return again.clone();
        }
        last.truncate(KEPT - 1);
        let made = make();
        last.push_front(made.clone());
        made
    });
    last.unwrap_or_else(|_| make())
}

/// Of how many kinds of events a thread keeps the names.
const KEPT: usize = 16;

thread_local! {
    /// The names of the events that were written last, which those of their kind share.
    static LAST: RefCell<VecDeque<Attributes>> = const { RefCell::new(VecDeque::new()) };
}
