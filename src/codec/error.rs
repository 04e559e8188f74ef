//! Why a packet is no event.

use std::fmt;

use crate::__private::debug_is_display;
use crate::EnvelopeError;

/// The reason why a packet is no event. No message quotes the packet, because it may be personal.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The body is no envelope, is no JSON, or exceeds a limit.
    Envelope(EnvelopeError),
    /// The body and the attributes together are too large.
    TooLarge {
        /// The size of the packet in bytes.
        bytes: usize,
        /// The largest size allowed, in bytes.
        limit: usize,
    },
    /// The packet has too many attributes.
    TooManyAttributes {
        /// The number of attributes allowed.
        limit: usize,
    },
    /// The packet is a CloudEvent of a version other than 1.0.
    Version,
    /// The packet is a CloudEvent, or a batch of them, in a format other than the JSON of one event.
    Format,
    /// The packet declares itself a CloudEvent, but has no `specversion`.
    NoEvent,
    /// An attribute of a CloudEvent has a wrong value.
    WrongAttribute {
        /// The name of the attribute, without a prefix.
        name: &'static str,
        /// What the attribute should contain.
        wants: &'static str,
    },
    /// The data of a CloudEvent is declared as JSON, but is not.
    DataNotJson {
        /// The line of the first fault in the data; the first line is 1.
        line: usize,
        /// The column of that fault, in bytes.
        column: usize,
    },
    /// A CloudEvent has both `data` and `data_base64`.
    TwoData,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope(error) => error.fmt(f),
            Self::TooLarge { bytes, limit } => write!(
                f,
                "the body and its attributes have {bytes} bytes, and {limit} are allowed: send less, or raise `bytes` of \
                 the limits"
            ),
            Self::TooManyAttributes { limit } => write!(
                f,
                "there are more than {limit} attributes: put yours into the payload, or raise `keys` of the limits"
            ),
            Self::Version => f.write_str("the event is of another version of CloudEvents: send `specversion` 1.0"),
            Self::Format => f.write_str(
                "the event is in a format of CloudEvents that is not read: send one as `application/cloudevents+json`, or \
                 in binary mode",
            ),
            Self::NoEvent => {
                f.write_str("the body is said to be a CloudEvent, and has no `specversion`: send {\"specversion\": \"1.0\", …}")
            }
            Self::WrongAttribute { name, wants } => {
                write!(f, "the event's `{name}` is not {wants}: send that, or leave it out if it is optional")
            }
            Self::DataNotJson { line, column } => write!(
                f,
                "the event's data are no JSON from line {line}, column {column} on: send JSON, or say in \
                 `datacontenttype` what they are"
            ),
            Self::TwoData => f.write_str("the event has `data` and `data_base64`: send one of them"),
        }
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Envelope(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(CodecError);

impl From<EnvelopeError> for CodecError {
    fn from(error: EnvelopeError) -> Self {
        Self::Envelope(error)
    }
}
