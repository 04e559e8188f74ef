//! The form that services of this kind speak among each other.
//!
//! `Envelope → {"metadata": …, "payload": …} and three names → Packet`

use convoke_actors::__private::Case;

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
}

impl Codec for Wire {
    fn write(&self, envelope: &Envelope) -> Packet {
        let mut packet = Packet::new(envelope.metadata.id.to_string(), envelope.to_vec_in(self.case));
        packet.topic = envelope.metadata.topic.as_str().to_owned();
        packet.attributes = names(&envelope.metadata);
        packet
    }

    fn max_attributes(&self) -> usize {
        NAMES
    }
}

/// What servers filter by.
pub(super) fn names(metadata: &Metadata) -> Attributes {
    let names: [_; NAMES] = [
        ("entityName", metadata.entity.as_str()),
        ("eventName", metadata.event.as_str()),
        ("publisherName", &*metadata.publisher),
    ];
    let mut attributes = Attributes::default();
    // SQS refuses a text that is empty.
    for (name, value) in names.into_iter().filter(|(_, value)| !value.is_empty()) {
        attributes.insert_constant(name, value);
    }
    attributes
}
