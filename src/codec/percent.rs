//! Texts where not every character may stand: in a URI, and in the value of a header.
//!
//! `text → encode → %XX → decode → text`

use std::borrow::Cow;

/// Writes each byte as `%XX` that may not stand for itself.
pub(super) fn encode(text: &str, stands: fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(stands) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if stands(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    Cow::Owned(encoded)
}

/// Reads each `%XX`; a `%` that begins none stands for itself. What would be no text then stays as it is.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                rest = &behind[2..];
            }
            _ => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// What stands for itself in the value of a header, as the HTTP binding of CloudEvents has it (3.1.3.2).
pub(super) fn in_header(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'%'
}

/// What stands for itself in the path of a URI (RFC 3986, 3.3).
pub(super) fn in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

/// Whether this is a URI with a scheme, so that it can be a reference as it is (RFC 3986, 3).
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let in_uri = |byte: u8| in_path(byte) || b"?#[]%".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && rest.bytes().all(in_uri)
        && rest
            .split('%')
            .skip(1)
            .all(|behind| behind.len() >= 2 && behind.bytes().take(2).all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_may_not_stand_is_written_as_its_bytes() {
        assert_eq!(encode("Euro € 😀", in_header), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode("a\"b%c/d?e", in_header), "a%22b%25c/d?e");
        assert_eq!(encode("a\"b%c/d?e", in_path), "a%22b%25c/d%3Fe");
        assert!(matches!(encode("UserService", in_path), Cow::Borrowed("UserService")));
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for (text, read) in [
            ("100%", "100%"),
            ("100%2", "100%2"),
            ("%zz%20", "%zz "),
            ("%%20", "% "),
            ("%c3%A4", "ä"),
            ("%ff", "%ff"),
            ("%+1%20", "%+1 "),
            ("%é", "%é"),
        ] {
            assert_eq!(decode(text), read);
        }
    }

    #[test]
    fn a_uri_has_a_scheme_and_only_what_a_uri_may_have() {
        for text in ["https://example.org/a?b#c", "urn:uuid:1", "mailto:a@b", "a:%20", "a:"] {
            assert!(is_uri(text), "{text}");
        }
        for text in ["", "UserService", "/a:b", "1a:b", ":a", "a:%2", "a:%zz", "a: b", "a:é", "é:a"] {
            assert!(!is_uri(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_as_what_it_was(text: String) {
            for stands in [in_header, in_path] {
                let encoded = encode(&text, stands);
                prop_assert!(encoded.bytes().all(|byte| stands(byte) || byte == b'%'));
                prop_assert_eq!(decode(&encoded), text.as_str());
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_read(text in "[%0-9a-fA-Fg é]{0,20}") {
            decode(&text);
            is_uri(&text);
        }
    }
}
