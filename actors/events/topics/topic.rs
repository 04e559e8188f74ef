//! Topics, by which events travel, and the patterns that choose among them: one grammar for subscriptions, routes over
//! `publisher/event`, and the command line.
//!
//! `"orders/*" → Pattern → topic_index.rs → who hears "orders/placed"`

use std::error::Error as StdError;
use std::fmt;
use std::str::{FromStr, Split};
use std::sync::Arc;

use crate::base::Shown;
use crate::base::debug_is_display;
use serde::{Deserialize, Serialize, Serializer};

/// Takes exactly one segment.
pub(crate) const ONE: &str = "*";

/// Takes any number of segments, also none.
pub(crate) const MANY: &str = "**";

/// How much of a text that is too long an error shows, in characters.
const SHOWN: usize = 32;

/// A pattern that selects topics: segments separated by `/`, where `*` stands for exactly one segment and `**` for any
/// number of segments, including none.
///
/// | | matches | does not match |
/// |---|---|---|
/// | `orders/placed` | `orders/placed` | `orders`, `Orders/placed` |
/// | `orders/*` | `orders/placed` | `orders`, `orders/placed/late` |
/// | `orders/**` | `orders`, `orders/placed/late` | `order/placed` |
/// | `**/late` | `late`, `orders/placed/late` | `late/orders` |
/// | `a/**/b/*` | `a/b/c`, `a/x/b/b` | `a/b` |
/// | `**` | every topic | |
///
/// Wildcards may stand anywhere and several times, each as a segment of its own. A segment is any text without `/`, `*`
/// and control characters, and without whitespace at its ends. Segments are compared byte by byte: case matters, and
/// Unicode is not normalized. The same holds for topics, which have no wildcards.
///
/// A pattern is kept as it was written: `a/**/**/b` matches what `a/**/b` matches, but is not equal to it. In serde a
/// pattern is a string, which is checked when it is read.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::Pattern;
///
/// let orders = Pattern::new("orders/*")?;
/// assert!(orders.matches("orders/placed"));
/// assert!(!orders.matches("orders/placed/late"));
/// # Ok::<(), convoke::TopicError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// The maximum length of a topic or a pattern, in bytes. It is bounded because topics stand in every envelope and in
    /// lines of the log.
    pub const MAX_BYTES: usize = 256;

    /// The maximum number of segments of a topic or a pattern. It bounds the depth of the tree in which patterns are
    /// looked up.
    pub const MAX_SEGMENTS: usize = 32;

    /// Creates a pattern from its text. A topic is a pattern too, which matches only itself.
    ///
    /// # Errors
    ///
    /// Returns a [`TopicError`] if the text is empty, too long or too deep, or has a segment that is not valid.
    pub fn new(text: &str) -> Result<Self, TopicError> {
        check(text, true)?;
        Ok(Self(text.into()))
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern has no wildcard, so that it matches exactly one topic.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Returns whether the pattern matches the topic.
    ///
    /// A wildcard matches only valid segments, so a text that is not a topic, such as `orders/` or `orders/*`, matches
    /// no pattern. The limits of length and depth are not checked: `publisher/event` may be longer than a topic may be.
    ///
    /// The time is at most proportional to the number of segments of the pattern times that of the topic.
    pub fn matches(&self, topic: &str) -> bool {
        if self.is_exact() {
            return *self.0 == *topic;
        }
        let (mut pattern, mut topic) = (self.segments(), topic.split('/'));
        // What follows the last `**`, and where in the topic that was tried. An earlier `**` needs no second try: what
        // it could take more, the last one can take as well.
        let mut last: Option<(Split<'_, char>, Split<'_, char>)> = None;
        loop {
            let wanted = pattern.next();
            if wanted == Some(MANY) {
                last = Some((pattern.clone(), topic.clone()));
                continue;
            }
            match (wanted, topic.next()) {
                (None, None) => return true,
                // With one more segment for the last `**`, even fewer would be left.
                (Some(_), None) => return false,
                (Some(ONE), Some(segment)) if is_segment(segment) => {}
                (Some(wanted), Some(segment)) if wanted == segment && wanted != ONE => {}
                (_, Some(_)) => {
                    let Some((behind, tried)) = &mut last else { return false };
                    if !tried.next().is_some_and(is_segment) {
                        return false;
                    }
                    (pattern, topic) = (behind.clone(), tried.clone());
                }
            }
        }
    }

    pub(crate) fn segments(&self) -> Split<'_, char> {
        self.0.split('/')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Pattern {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Pattern {
    type Error = TopicError;

    fn try_from(text: &str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, TopicError> {
        Self::new(&text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The error of a text that is not a valid topic, or not a valid pattern.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is empty.
    Empty,
    /// The text is longer than [`Pattern::MAX_BYTES`].
    TooLong {
        /// The beginning of the text.
        start: String,
        /// The length of the text in bytes.
        bytes: usize,
    },
    /// The text has more segments than [`Pattern::MAX_SEGMENTS`].
    TooDeep {
        /// The text.
        text: String,
        /// The number of segments of the text.
        segments: usize,
    },
    /// The text begins or ends with a slash, or has two slashes in a row.
    EmptySegment {
        /// The text.
        text: String,
    },
    /// The text contains a control character.
    Control {
        /// The text.
        text: String,
    },
    /// A segment begins or ends with whitespace.
    Whitespace {
        /// The text.
        text: String,
        /// The segment.
        segment: String,
    },
    /// The text is to be a topic, and contains a `*`.
    Wildcard {
        /// The text.
        text: String,
    },
    /// The text is to be a pattern, and a `*` shares its segment with other text.
    MixedWildcard {
        /// The text.
        text: String,
        /// The segment.
        segment: String,
    },
}

impl fmt::Display for TopicError {
    // Texts may come from outside: escaped, they break no line of a log and hide nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the text is empty: write segments between slashes, as in `orders/placed`"),
            Self::TooLong { start, bytes } => {
                let most = Pattern::MAX_BYTES;
                write!(f, "`{}…` has {bytes} bytes, and {most} are the most: shorten it", Shown::name(start))
            }
            Self::TooDeep { text, segments } => {
                let most = Pattern::MAX_SEGMENTS;
                write!(f, "`{}` has {segments} segments, and {most} are the most: use fewer", Shown::name(text))
            }
            Self::EmptySegment { text } => {
                let text = Shown::name(text);
                write!(f, "`{text}` has an empty segment: write one slash between segments, and none at the ends")
            }
            Self::Control { text } => write!(f, "`{}` has a control character: remove it", Shown::name(text)),
            Self::Whitespace { text, segment } => {
                let (text, segment) = (Shown::name(text), Shown::name(segment));
                write!(f, "`{text}` has whitespace at an end of the segment `{segment}`: remove it")
            }
            Self::Wildcard { text } => {
                write!(f, "`{}` has a `*`, which only a pattern may have: name one topic", Shown::name(text))
            }
            Self::MixedWildcard { text, segment } => {
                let (text, segment) = (Shown::name(text), Shown::name(segment));
                write!(f, "`{text}` has the segment `{segment}`: let `*` or `**` stand alone between slashes")
            }
        }
    }
}

impl StdError for TopicError {}

debug_is_display!(TopicError);

/// Checks that the text is a topic: what a pattern may be, but without wildcards.
pub fn check_topic(topic: &str) -> Result<(), TopicError> {
    check(topic, false)
}

/// Tells whether the text may be a segment of a topic.
pub(crate) fn is_segment(text: &str) -> bool {
    // Nearly all are of these, and need no look at what their characters are.
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*') {
        return !text.is_empty();
    }
    !text.starts_with(char::is_whitespace)
        && !text.ends_with(char::is_whitespace)
        && !text.contains(|c: char| c == '*' || c.is_control())
}

fn check(text: &str, wildcards: bool) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    // First of the others, because they keep the whole text.
    if text.len() > Pattern::MAX_BYTES {
        return Err(TopicError::TooLong { start: text.chars().take(SHOWN).collect(), bytes: text.len() });
    }
    let segments = text.bytes().filter(|byte| *byte == b'/').count() + 1;
    if segments > Pattern::MAX_SEGMENTS {
        return Err(TopicError::TooDeep { text: text.into(), segments });
    }
    let fits = |segment: &&str| is_segment(segment) || (wildcards && matches!(*segment, ONE | MANY));
    match text.split('/').find(|segment| !fits(segment)) {
        None => Ok(()),
        Some(segment) => Err(explain(text.into(), segment, wildcards)),
    }
}

/// Says why a segment does not fit.
fn explain(text: String, segment: &str, wildcards: bool) -> TopicError {
    if segment.is_empty() {
        TopicError::EmptySegment { text }
    } else if segment.contains(char::is_control) {
        TopicError::Control { text }
    } else if segment.trim() != segment {
        TopicError::Whitespace { text, segment: segment.into() }
    } else if wildcards {
        TopicError::MixedWildcard { text, segment: segment.into() }
    } else {
        TopicError::Wildcard { text }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::TestRunner;

    use super::*;

    pub(crate) fn config(cases: u32) -> ProptestConfig {
        ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
    }

    pub(crate) fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    pub(crate) fn any_pattern() -> impl Strategy<Value = Pattern> {
        vec(select(vec!["a", "b", ONE, MANY]), 1..6).prop_map(|segments| pattern(&segments.join("/")))
    }

    /// Nearly always a topic.
    pub(crate) fn any_text() -> impl Strategy<Value = String> {
        let segment = prop_oneof![60 => select(vec!["a", "b"]), 1 => select(vec!["", " a", "a\n", ONE, MANY])];
        vec(segment, 1..7).prop_map(|segments| segments.join("/"))
    }

    /// What a pattern means, written down without a thought for time.
    pub(crate) fn naive(pattern: &Pattern, text: &str) -> bool {
        fn takes(pattern: &[&str], topic: &[&str]) -> bool {
            match (pattern, topic) {
                ([MANY, rest @ ..], _) => takes(rest, topic) || (!topic.is_empty() && takes(pattern, &topic[1..])),
                ([first, rest @ ..], [segment, others @ ..]) => {
                    (*first == ONE || first == segment) && takes(rest, others)
                }
                _ => pattern.is_empty() && topic.is_empty(),
            }
        }
        let pattern: Vec<_> = pattern.as_str().split('/').collect();
        check_topic(text).is_ok() && takes(&pattern, &text.split('/').collect::<Vec<_>>())
    }

    #[test]
    fn patterns_choose_topics_as_the_examples_say() {
        for (text, matching, others) in [
            ("orders/placed", "orders/placed", "orders Orders/placed orders/placed/late orders/place orders/"),
            ("orders/*", "orders/placed orders/größe", "orders orders/placed/late order/placed orders/ orders/*"),
            ("*", "orders ü", "orders/placed * **"),
            ("*/*", "orders/placed", "orders orders/placed/late / orders/"),
            ("*/placed", "orders/placed", "placed a/orders/placed /placed"),
            ("orders/**", "orders orders/placed orders/placed/late", "order order/placed orders/ orders//late"),
            ("**/late", "late orders/late orders/placed/late late/late", "late/orders lates /late"),
            ("**", "orders orders/placed a/b/c/d", "/ orders/ ** orders/**"),
            ("a/**/b", "a/b a/x/b a/b/b a/x/y/b", "a b a/x a/b/x x/a/b a//b"),
            ("a/**/**/b", "a/b a/x/b a/x/y/b", "a b a/b/x"),
            ("a/**/b/*", "a/b/c a/x/b/b a/b/b/b", "a/b a/x/c b/c"),
            ("**/a/**/b/**", "a/b x/a/b/y a/a/x/b/b", "b/a a x/b/y/a"),
            ("**/*/**", "a a/b a/b/c", "/"),
            ("*/**/*", "a/b a/b/c", "a"),
            ("**/a/b", "a/b a/a/b a/b/a/b", "a/b/a a/x/b"),
        ] {
            let pattern = pattern(text);
            assert_eq!(pattern.is_exact(), text == "orders/placed", "{text}");
            matching.split(' ').for_each(|topic| assert!(pattern.matches(topic), "{text} does not match {topic}"));
            others.split(' ').for_each(|topic| assert!(!pattern.matches(topic), "{text} matches {topic}"));
            assert!(
                !pattern.matches("") && !pattern.matches(" orders") && !pattern.matches("orders/placed\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_pattern_matches_what_a_naive_reading_of_it_matches() {
        const CASES: u32 = 20_000;
        let (yes, no) = (Cell::new(0), Cell::new(0));
        let outcome = TestRunner::new(config(CASES)).run(&(any_pattern(), any_text()), |(pattern, text)| {
            let expected = naive(&pattern, &text);
            let count = if expected { &yes } else { &no };
            count.set(count.get() + 1);
            prop_assert_eq!(pattern.matches(&text), expected);
            Ok(())
        });
        outcome.unwrap();
        assert!(yes.get() > CASES / 10 && no.get() > CASES / 10, "{yes:?} matches, {no:?} others");
    }

    #[test]
    fn a_hostile_pattern_is_decided_again_and_again_without_trying_every_way() {
        // Each `**` could begin at any `a`: trying every way takes more than 10⁹ steps for one of these.
        let hostile = ["**/a"; Pattern::MAX_SEGMENTS / 2 - 1].join("/");
        let topic = ["a"; Pattern::MAX_SEGMENTS].join("/");
        let (never, always) = (pattern(&format!("{hostile}/**/b")), pattern(&format!("{hostile}/**/*")));
        for _ in 0..10_000 {
            assert!(!never.matches(&topic));
            assert!(always.matches(&topic));
        }
    }

    #[test]
    fn what_is_no_topic_or_pattern_is_named_with_what_to_do() {
        let (empty, blank) =
            ("one slash between segments, and none at the ends", "has whitespace at an end of the segment");
        for (text, message) in [
            ("", "the text is empty: write segments between slashes, as in `orders/placed`".to_owned()),
            ("/", format!("`/` has an empty segment: write {empty}")),
            ("/orders", format!("`/orders` has an empty segment: write {empty}")),
            ("orders/", format!("`orders/` has an empty segment: write {empty}")),
            ("orders//placed", format!("`orders//placed` has an empty segment: write {empty}")),
            ("orders\n/placed", "`orders\\n/placed` has a control character: remove it".to_owned()),
            ("a\u{7f}b", "`a\\u{7f}b` has a control character: remove it".to_owned()),
            ("ü\u{85}ü", "`ü\\u{85}ü` has a control character: remove it".to_owned()),
            ("orders /placed", format!("`orders /placed` {blank} `orders `: remove it")),
            ("orders/ placed", format!("`orders/ placed` {blank} ` placed`: remove it")),
            ("a/ /b", format!("`a/ /b` {blank} ` `: remove it")),
            ("a/b\u{a0}", format!("`a/b\\u{{a0}}` {blank} `b\\u{{a0}}`: remove it")),
        ] {
            assert_eq!(check_topic(text).unwrap_err().to_string(), message);
            assert_eq!(Pattern::new(text).unwrap_err().to_string(), message);
        }
        for text in ["orders/*", "**", "or*"] {
            let message = format!("`{text}` has a `*`, which only a pattern may have: name one topic");
            assert_eq!(check_topic(text).unwrap_err().to_string(), message);
        }
        for (text, segment) in [("or*/placed", "or*"), ("a/***", "***"), ("a/*b/c", "*b"), ("**a", "**a")] {
            let message = format!("`{text}` has the segment `{segment}`: let `*` or `**` stand alone between slashes");
            assert_eq!(Pattern::new(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_text_may_be_as_long_and_as_deep_as_the_limits_say_and_no_more() {
        let (long, deep) = ("ü".repeat(128), ["a"; 32].join("/"));
        for text in [&long, &deep] {
            check_topic(text).unwrap();
            assert!(pattern(text).matches(text));
        }
        let (longer, deeper) = (format!("{long}a"), format!("{deep}/a"));
        let start = "ü".repeat(32);
        for (text, message) in [
            (&longer, format!("`{start}…` has 257 bytes, and 256 are the most: shorten it")),
            (&deeper, format!("`{deeper}` has 33 segments, and 32 are the most: use fewer")),
        ] {
            assert_eq!(check_topic(text).unwrap_err().to_string(), message);
            assert_eq!(Pattern::new(text).unwrap_err().to_string(), message);
            // A publisher before a topic may take both beyond the limits.
            assert!(pattern("**").matches(text));
        }
    }

    #[test]
    fn a_topic_may_have_blanks_within_a_segment_and_any_letters() {
        for text in ["stock level/changed", "größe/日本", "o'brien/#1/+/a.b:c", "user.registered", "é/e\u{301}"] {
            check_topic(text).unwrap();
            let pattern = pattern(text);
            assert!(pattern.is_exact() && pattern.matches(text), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_made_from_any_text_and_keeps_it() {
        let text = "a/**/**/b";
        let pattern = pattern(text);
        assert_eq!(text.parse(), Ok(pattern.clone()));
        assert_eq!(Pattern::try_from(text), Ok(pattern.clone()));
        assert_eq!(Pattern::try_from(text.to_owned()), Ok(pattern.clone()));
        assert_eq!((pattern.as_str(), pattern.to_string().as_str()), (text, text));
        assert_ne!(pattern, Pattern::new("a/**/b").unwrap());
    }

    #[test]
    fn a_pattern_is_a_string_in_json_and_checked_when_it_is_read() {
        let json = serde_json::to_string(&pattern("orders/*")).unwrap();
        assert_eq!(json, r#""orders/*""#);
        assert_eq!(serde_json::from_str::<Pattern>(&json).unwrap(), pattern("orders/*"));
        let error = serde_json::from_str::<Pattern>(r#""or*""#).unwrap_err().to_string();
        assert!(error.starts_with("`or*` has the segment `or*`: let `*` or `**` stand alone"), "{error}");
    }
}
