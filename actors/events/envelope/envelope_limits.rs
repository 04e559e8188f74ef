//! How much a body may have before anybody parses it.
//!
//! `bytes from outside → check → serde_json`

use super::bytes::marks;
use super::case::means;
use super::envelope::EnvelopeError;

/// How many bytes a body may have: SNS takes a quarter of it, and most servers that take more are seldom sent more.
const MAX_BYTES: usize = 1024 * 1024;

/// How many objects and arrays may stand in one another, the body itself being the first: more than a person nests.
const MAX_DEPTH: usize = 64;

/// How many keys the metadata may have: ours are fourteen, and whoever adds some adds a few.
const MAX_KEYS: usize = 64;

/// Where `serde_json` ends, so that no limit can ask for more.
const DEEPEST: usize = 127;

/// The limits for a body from outside. They are checked before the body is parsed.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::{Envelope, EnvelopeError, EnvelopeLimits};
///
/// let limits = EnvelopeLimits::default().bytes(16);
/// let error = Envelope::from_slice_within(br#"{"metadata": {}, "payload": null}"#, limits).unwrap_err();
/// assert_eq!(error, EnvelopeError::TooLarge { bytes: 33, limit: 16 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeLimits {
    bytes: usize,
    depth: usize,
    keys: usize,
}

impl Default for EnvelopeLimits {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, depth: MAX_DEPTH, keys: MAX_KEYS }
    }
}

impl EnvelopeLimits {
    /// Sets the maximum size of the body in bytes. The default is 1 MiB. A parsed body that consists of tiny objects
    /// takes a hundred times as much memory.
    #[must_use]
    pub const fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Sets the maximum depth of nested objects and arrays, where the body itself is the first level. The default is
    /// 64, and the maximum is 127.
    #[must_use]
    pub const fn depth(self, depth: usize) -> Self {
        Self { depth: if depth < DEEPEST { depth } else { DEEPEST }, ..self }
    }

    /// Sets the maximum number of keys in the metadata, known and unknown. The default is 64.
    #[must_use]
    pub const fn keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// Returns the maximum size of the body in bytes.
    pub const fn max_bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the maximum depth of nested objects and arrays.
    pub const fn max_depth(&self) -> usize {
        self.depth
    }

    /// Returns the maximum number of keys in the metadata.
    pub const fn max_keys(&self) -> usize {
        self.keys
    }

    /// Checks a body against the limits, for code that parses the body in another way than
    /// [`Envelope`](crate::Envelope) does.
    ///
    /// A body that is not JSON may pass this check. A parser reads such a body up to its first syntax error, and up to
    /// there the check is exact.
    ///
    /// # Errors
    ///
    /// Returns [`EnvelopeError::TooLarge`], [`EnvelopeError::TooDeep`] or [`EnvelopeError::TooManyKeys`].
    pub fn check(&self, body: &[u8]) -> Result<(), EnvelopeError> {
        if body.len() > self.bytes {
            return Err(EnvelopeError::TooLarge { bytes: body.len(), limit: self.bytes });
        }
        let (mut depth, mut keys) = (0_usize, 0_usize);
        // The last string of the body's own object; whether it was the key `metadata`; whether we are in its object.
        let (mut last, mut named, mut inside): (&[u8], bool, bool) = (&[], false, false);
        let mut at = 0;
        while let Some(byte) = body.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    let end = string_end(body, at);
                    if depth == 1 {
                        last = &body[at - 1..end];
                    }
                    at = end;
                }
                b'{' | b'[' => {
                    depth += 1;
                    if depth > self.depth {
                        return Err(EnvelopeError::TooDeep { limit: self.depth });
                    }
                    if depth == 2 {
                        inside = named && *byte == b'{';
                    }
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b':' if depth == 1 => named = is_metadata(last),
                b':' if depth == 2 && inside => {
                    keys += 1;
                    if keys > self.keys {
                        return Err(EnvelopeError::TooManyKeys { limit: self.keys });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where the string ends that begins before `at`: behind its quote, or at the end of the body.
fn string_end(body: &[u8], mut at: usize) -> usize {
    // Most of a body is text, so eight bytes of it are looked at together.
    while let Some(eight) = body.get(at..).and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        let found = marks(eight, b'"') | marks(eight, b'\\');
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        match body.get(at) {
            Some(b'"') => return at + 1,
            _ => at += 2,
        }
    }
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    body.len()
}

/// Whether this string, with its quotes, is the key of the metadata, in any case. It may be written with escapes.
fn is_metadata(string: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(string) else { return false };
    let text = text.strip_prefix('"').unwrap_or(text);
    let text = text.strip_suffix('"').unwrap_or(text);
    means(text, "metadata")
        || text.contains('\\') && serde_json::from_slice::<String>(string).is_ok_and(|key| means(&key, "metadata"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let payload = "[".repeat(depth - 1) + &"]".repeat(depth - 1);
        format!(r#"{{"metadata": {{}}, "payload": {payload}}}"#).into_bytes()
    }

    fn keyed(name: &str, keys: usize) -> Vec<u8> {
        let keys: Vec<_> = (0..keys).map(|key| format!(r#""k{key}": {{"a": 1, "b": [{{"c": ":"}}]}}"#)).collect();
        format!(r#"{{"payload": {{"a": 1, "b": 2, "c": 3}}, "{name}": {{{}}}}}"#, keys.join(",")).into_bytes()
    }

    #[test]
    fn a_body_may_have_as_many_bytes_as_it_may_and_not_one_more() {
        let limits = EnvelopeLimits::default();
        assert_eq!(limits.check(&vec![b' '; 1_048_576]), Ok(()));
        let (bytes, limit) = (1_048_577, 1_048_576);
        assert_eq!(limits.check(&vec![b' '; bytes]), Err(EnvelopeError::TooLarge { bytes, limit }));
    }

    #[test]
    fn a_body_may_be_as_deep_as_it_may_and_not_one_deeper() {
        let limits = EnvelopeLimits::default();
        assert_eq!(limits.check(&nested(64)), Ok(()));
        assert_eq!(limits.check(&nested(65)), Err(EnvelopeError::TooDeep { limit: 64 }));
        assert_eq!(limits.check("{\"a\":".repeat(65).as_bytes()), Err(EnvelopeError::TooDeep { limit: 64 }));
        assert_eq!(limits.depth(1).check(b"{}"), Ok(()));
        assert_eq!(limits.depth(0).check(b"{}"), Err(EnvelopeError::TooDeep { limit: 0 }));
    }

    #[test]
    fn no_depth_is_allowed_that_the_parser_refuses() {
        let limits = EnvelopeLimits::default().depth(usize::MAX);
        assert_eq!(limits.check(&nested(128)), Err(EnvelopeError::TooDeep { limit: 127 }));
        assert_eq!(limits.check(&nested(127)), Ok(()));
        assert!(serde_json::from_slice::<serde_json::Value>(&nested(127)).is_ok());
        assert!(serde_json::from_slice::<serde_json::Value>(&nested(128)).is_err());
    }

    #[test]
    fn brackets_in_strings_are_no_depth_and_a_quote_behind_a_backslash_ends_no_string() {
        let limits = EnvelopeLimits::default().depth(2);
        assert_eq!(limits.check(br#"{"a": "[[[[{{{{", "b": ["\"[[[["], "[[[\\": "\\"}"#), Ok(()));
        assert_eq!(limits.check(br#"{"a": ["\\", [1]]}"#), Err(EnvelopeError::TooDeep { limit: 2 }));
    }

    #[test]
    fn metadata_may_have_as_many_keys_as_they_may_and_not_one_more() {
        let limits = EnvelopeLimits::default();
        for name in ["metadata", "met\\u0061data", "Metadata", "\\u004detadata"] {
            assert_eq!(limits.check(&keyed(name, 64)), Ok(()), "{name}");
            assert_eq!(limits.check(&keyed(name, 65)), Err(EnvelopeError::TooManyKeys { limit: 64 }), "{name}");
        }
        assert_eq!(limits.check(&keyed("payload", 65)), Ok(()));
        assert_eq!(limits.check(br#"{"x": "metadata", "payload": {"a": 1}}"#), Ok(()));
        assert_eq!(limits.keys(0).check(br#"{"x": "metadata", "payload": {"a": 1}}"#), Ok(()));
    }

    #[test]
    fn a_second_object_of_metadata_is_counted_with_the_first() {
        let body = br#"{"metadata": {"a": 1, "b": 2}, "metadata": {"c": 3}}"#;
        assert_eq!(EnvelopeLimits::default().keys(3).check(body), Ok(()));
        assert_eq!(EnvelopeLimits::default().keys(2).check(body), Err(EnvelopeError::TooManyKeys { limit: 2 }));
    }

    #[test]
    fn a_string_ends_at_the_same_place_however_it_is_looked_at() {
        let plain = |body: &[u8], mut at: usize| loop {
            match body.get(at) {
                None => return body.len(),
                Some(b'"') => return at + 1,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        };
        for seed in 0..20_000_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut next = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            let length = next() % 40;
            // The neighbors of the two bytes, with and without the highest bit, and the two themselves, seldom.
            let body: Vec<_> = (0..length).map(|_| b"xx!#[]\xa2\xdc\x01\xff\"\\"[(next() % 12) as usize]).collect();
            for at in 0..=body.len() {
                assert_eq!(string_end(&body, at), plain(&body, at), "{body:?} from {at}");
            }
        }
    }

    #[test]
    fn what_ends_in_the_middle_is_left_to_the_parser() {
        for body in [&b"{\"metadata\": {\"a"[..], b"\"", b"\"\\", b"]]]]", b"", b"::::", b"{:{:"] {
            assert_eq!(EnvelopeLimits::default().check(body), Ok(()));
        }
    }
}
