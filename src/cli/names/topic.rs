//! The topic of an event, by the grammar that `#[derive(Event)]` checks again.

use crate::error::{Error, Result, shown};

/// The longest a topic may be, in bytes, as in `actors/derive/src/topic.rs`.
const MAX_BYTES: usize = 256;

/// The most segments of a topic.
const MAX_SEGMENTS: usize = 32;

/// Segments between slashes, of signs that stand in a text of Rust as they are.
#[derive(Clone, Debug)]
pub(crate) struct Topic(String);

impl Topic {
    pub(crate) fn new(topic: &str) -> Result<Self> {
        match fault(topic) {
            None => Ok(Self(topic.to_owned())),
            Some(fault) => Err(Error::usage(format!("`{}` cannot be a topic: {fault}", shown(topic)))
                .hint("a topic has segments between slashes, as `orders/placed`")),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn fault(topic: &str) -> Option<String> {
    if topic.len() > MAX_BYTES {
        return Some(format!("it has {} bytes, and {MAX_BYTES} are the most", topic.len()));
    }
    if topic.split('/').count() > MAX_SEGMENTS {
        return Some(format!("{MAX_SEGMENTS} segments are the most"));
    }
    if topic.split('/').any(str::is_empty) {
        return Some("a segment is empty".into());
    }
    // A topic may have more signs; what is written into code has those that need no quoting.
    let strange = |sign: &char| !(sign.is_ascii_alphanumeric() || matches!(sign, '/' | '-' | '_' | '.' | ':'));
    topic.chars().find(strange).map(|sign| format!("`{}` is not written into code here", shown(&sign.to_string())))
}
