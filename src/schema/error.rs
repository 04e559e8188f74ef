//! Why there is no schema, or no document.

use std::fmt;

use crate::__private::{Shown, debug_is_display};

/// The reason why a schema or a document could not be made, read or used.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// Two types, or a type and a document, say differently what an event of this name and version looks like.
    Claimed {
        /// The event's name.
        event: String,
        /// The version that both claim.
        version: u32,
        /// Who was first: a type, or a document.
        first: String,
        /// Who came second.
        second: String,
    },
    /// The event never leaves the process, so nobody elsewhere has to know what it looks like.
    Local {
        /// The event's name.
        event: String,
    },
    /// A schema is none, or names one that is not in the document.
    NoSchema {
        /// Where it stands: an event with its version, or a place in a document.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// The document is one of AsyncAPI, of a version that this crate does not read.
    AsyncApi {
        /// The version of the document.
        found: String,
    },
    /// What was read is no document of AsyncAPI.
    NoDocument {
        /// Where it stands, as a JSON pointer; empty for the whole.
        at: String,
        /// What is wrong there.
        why: String,
    },
    /// The document has more bytes than one may have.
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        limit: usize,
    },
    /// A file could not be read or written.
    File {
        /// Which file.
        path: String,
        /// What the system says.
        why: String,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed { event, version, first, second } => write!(
                f,
                "version {version} of {} is claimed by {first} and by {second}: give one of them another version or name",
                Shown::name(event)
            ),
            Self::Local { event } => write!(
                f,
                "{} is local and never leaves the process: remove `local`, or leave the event out",
                Shown::name(event)
            ),
            Self::NoSchema { at, why } => write!(f, "{} has no usable schema: {}", Shown::text(at), Shown::text(why)),
            Self::AsyncApi { found } => write!(
                f,
                "the document is of AsyncAPI {}: this reads 3.1, so convert it or write it anew",
                Shown::name(found)
            ),
            Self::NoDocument { at, why } if at.is_empty() => write!(f, "no document of AsyncAPI: {}", Shown::text(why)),
            Self::NoDocument { at, why } => {
                write!(f, "the document is wrong at {}: {}", Shown::text(at), Shown::text(why))
            }
            Self::TooLarge { bytes, limit } => {
                write!(f, "the document has {bytes} bytes, and {limit} are the most: divide it")
            }
            Self::File { path, why } => write!(f, "{}: {}", Shown::text(path), Shown::text(why)),
        }
    }
}

impl std::error::Error for SchemaError {}

debug_is_display!(SchemaError);
