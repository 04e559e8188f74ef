//! Why a packet is no event.

use std::fmt;

use crate::EnvelopeError;

/// A packet is no event. What it says is in no message, for it may be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// Its body is no envelope, is no JSON, or is beyond a limit.
    Envelope(EnvelopeError),
    /// The body and the attributes together are too large.
    TooLarge {
        /// How many bytes they have.
        bytes: usize,
        /// How many they may have.
        limit: usize,
    },
    /// There are too many attributes.
    TooManyAttributes {
        /// How many there may be.
        limit: usize,
    },
    /// It is a CloudEvent, of a version that is not 1.0.
    Version,
    /// It is a CloudEvent, or several, in a format that is not the JSON of one.
    Format,
    /// It is said to be a CloudEvent, but has no `specversion`.
    NoEvent,
    /// An attribute of a CloudEvent does not hold what it should.
    WrongAttribute {
        /// Its name, without a prefix.
        name: &'static str,
        /// What it should hold.
        wants: &'static str,
    },
    /// The data of a CloudEvent are no JSON, but are said to be.
    DataNotJson {
        /// The line of the first fault in them; the first line is 1.
        line: usize,
        /// Its column in bytes.
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

impl From<EnvelopeError> for CodecError {
    fn from(error: EnvelopeError) -> Self {
        Self::Envelope(error)
    }
}
