//! The grammar of topics and patterns, checked where the literal stands: `actors/events/topics/topic.rs` checks the same when it runs.
//!
//! `#[event(topic = "orders/placed")], #[listener(topics("orders/*"))] → check`

use syn::{Error, LitStr, Result};

/// The longest a topic or a pattern may be, in bytes; `Pattern::MAX_BYTES` says why.
const MAX_BYTES: usize = 256;

/// The most segments a topic or a pattern may have; `Pattern::MAX_SEGMENTS` says why.
const MAX_SEGMENTS: usize = 32;

/// What a literal is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Grammar {
    /// Segments between slashes.
    Topic,
    /// The same, with `*` and `**`.
    Pattern,
    /// One segment: what a route such as `publisher/event` is made of.
    Segment,
}

pub(crate) fn check(literal: &LitStr, grammar: Grammar) -> Result<()> {
    let fault = fault(&literal.value(), grammar);
    fault.map_or(Ok(()), |fault| Err(Error::new(literal.span(), fault)))
}

fn fault(text: &str, grammar: Grammar) -> Option<String> {
    if text.is_empty() {
        return Some(match grammar {
            Grammar::Topic => "empty: write segments between slashes, as in `orders/placed`".into(),
            Grammar::Pattern => "empty: write segments between slashes, as in `orders/*`".into(),
            Grammar::Segment => "empty: write a word, or leave it out".into(),
        });
    }
    if text.len() > MAX_BYTES {
        return Some(format!("{} bytes, and {MAX_BYTES} are the most: shorten it", text.len()));
    }
    if grammar == Grammar::Segment && text.contains('/') {
        return Some("a slash: this is one word, and only a topic has segments between slashes".into());
    }
    let segments = text.split('/').count();
    if segments > MAX_SEGMENTS {
        return Some(format!("{segments} segments, and {MAX_SEGMENTS} are the most: use fewer"));
    }
    text.split('/').find_map(|segment| fault_of_segment(segment, grammar))
}

fn fault_of_segment(segment: &str, grammar: Grammar) -> Option<String> {
    if segment.is_empty() {
        Some("an empty segment: write one slash between segments, and none at the ends".into())
    } else if segment.contains(char::is_control) {
        Some("a control character: remove it".into())
    } else if segment.trim() != segment {
        Some(format!("whitespace at an end of `{segment}`: remove it"))
    } else if !segment.contains('*') {
        None
    } else if grammar != Grammar::Pattern {
        Some("a `*`, which only the pattern of a subscription may have: write what it stands for".into())
    } else if matches!(segment, "*" | "**") {
        None
    } else {
        Some(format!("the segment `{segment}`: let `*` or `**` stand alone between slashes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_a_pattern_and_a_segment_have_in_common_is_taken() {
        let long = "x".repeat(MAX_BYTES);
        for text in ["placed", "ä", "two words", "2", "a.b-c_d:e", &long] {
            for grammar in [Grammar::Topic, Grammar::Pattern, Grammar::Segment] {
                assert_eq!(fault(text, grammar), None, "{text} as {grammar:?}");
            }
        }
    }

    #[test]
    fn segments_and_wildcards_are_taken_where_they_belong() {
        let deep = ["x"; MAX_SEGMENTS].join("/");
        for text in ["orders/placed", "orders/two words/x", &deep] {
            assert_eq!((fault(text, Grammar::Topic), fault(text, Grammar::Pattern)), (None, None), "{text}");
        }
        for text in ["*", "**", "orders/*", "**/late", "a/**/b/*"] {
            assert_eq!(fault(text, Grammar::Pattern), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        use Grammar::{Pattern, Segment, Topic};

        let (long, deep) = ("x".repeat(MAX_BYTES + 1), ["x"; MAX_SEGMENTS + 1].join("/"));
        let slash = "an empty segment: write one slash between segments, and none at the ends";
        let star = "a `*`, which only the pattern of a subscription may have: write what it stands for";
        for (grammar, text, expected) in [
            (Topic, "", "empty: write segments between slashes, as in `orders/placed`"),
            (Pattern, "", "empty: write segments between slashes, as in `orders/*`"),
            (Segment, "", "empty: write a word, or leave it out"),
            (Topic, &long, "257 bytes, and 256 are the most: shorten it"),
            (Segment, &long, "257 bytes, and 256 are the most: shorten it"),
            (Topic, &deep, "33 segments, and 32 are the most: use fewer"),
            (Segment, "a/b", "a slash: this is one word, and only a topic has segments between slashes"),
            (Topic, "/", slash),
            (Topic, "/orders", slash),
            (Topic, "orders/", slash),
            (Pattern, "orders//*", slash),
            (Topic, "orders/pla\nced", "a control character: remove it"),
            (Segment, "\0", "a control character: remove it"),
            (Topic, "orders / placed", "whitespace at an end of `orders `: remove it"),
            (Segment, " ", "whitespace at an end of ` `: remove it"),
            (Topic, "orders/*", star),
            (Topic, "**", star),
            (Segment, "Order*", star),
            (Pattern, "orders/pla*", "the segment `pla*`: let `*` or `**` stand alone between slashes"),
            (Pattern, "***", "the segment `***`: let `*` or `**` stand alone between slashes"),
        ] {
            assert_eq!(fault(text, grammar).as_deref(), Some(expected), "{text:?} as {grammar:?}");
        }
    }
}
