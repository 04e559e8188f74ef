//! Texts where not every character may stand: in a URI, and in the value of a header.
//!
//! `text → encode → %XX → decode → text`

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What may not stand for itself in the value of a header, as the HTTP binding of CloudEvents has it (3.1.3.2).
pub(super) const IN_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// What may not stand for itself in the path of a URI (RFC 3986, 3.3).
pub(super) const IN_PATH: &AsciiSet = &all_but(STANDS_IN_PATH);

/// What stands for itself there beside letters and digits.
const STANDS_IN_PATH: &[u8] = b"-._~!$&'()*+,;=:@/";

const fn all_but(mut bytes: &[u8]) -> AsciiSet {
    let mut set = NON_ALPHANUMERIC.add(b'%');
    while let [first, rest @ ..] = bytes {
        set = set.remove(*first);
        bytes = rest;
    }
    set
}

/// Writes each byte as `%XX` that may not stand for itself.
pub(super) fn encode<'a>(text: &'a str, escaped: &'static AsciiSet) -> Cow<'a, str> {
    utf8_percent_encode(text, escaped).into()
}

/// Takes a text out of the quotes in which a header may have it, where `\` stands before what stands for itself (RFC 7230,
/// 3.2.6). What is not in quotes from its beginning to its end stays as it is.
pub(super) fn unquoted(text: &str) -> Cow<'_, str> {
    let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return text.into() };
    if !quoted.contains(['"', '\\']) {
        return quoted.into();
    }
    let (mut read, mut rest) = (String::with_capacity(quoted.len()), quoted.chars());
    while let Some(next) = rest.next() {
        match next {
            '\\' => match rest.next() {
                Some(escaped) => read.push(escaped),
                None => return text.into(),
            },
            '"' => return text.into(),
            next => read.push(next),
        }
    }
    read.into()
}

/// Reads each `%XX`; a `%` that begins none stands for itself. What would be no text then stays as it is.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}

/// Whether this is a URI with a scheme, so that it can be a reference as it is (RFC 3986, 3).
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let in_uri = |byte: u8| byte.is_ascii_alphanumeric() || STANDS_IN_PATH.contains(&byte) || b"?#[]%".contains(&byte);
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
        assert_eq!(encode("Euro € 😀", IN_HEADER), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode("a\"b%c/d?e", IN_HEADER), "a%22b%25c/d?e");
        assert_eq!(encode("a\"b%c/d?e", IN_PATH), "a%22b%25c/d%3Fe");
        assert!(matches!(encode("UserService", IN_PATH), Cow::Borrowed("UserService")));
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
    fn a_text_in_quotes_is_what_stands_in_them() {
        for (text, read) in [
            (r#""""#, ""),
            (r#""a b""#, "a b"),
            (r#""Euro \"x\" \\ y""#, r#"Euro "x" \ y"#),
            (r#""\a\é%22""#, "aé%22"),
            // In no quotes, or not from the beginning to the end.
            ("", ""),
            (r#"""#, r#"""#),
            (r#"a\b"#, r#"a\b"#),
            (r#""a"#, r#""a"#),
            (r#"a""#, r#"a""#),
            (r#""a\""#, r#""a\""#),
            (r#""a" and "b""#, r#""a" and "b""#),
        ] {
            assert_eq!(unquoted(text), read, "{text}");
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
            for escaped in [IN_HEADER, IN_PATH] {
                let encoded = encode(&text, escaped);
                prop_assert!(encoded.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'"'));
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
