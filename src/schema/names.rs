//! What schemas are called in a document, where only letters, digits, `.`, `-` and `_` may stand.
//!
//! `"Order placed", 2 → key → Order_20_placed.2`

use std::fmt::Write as _;

/// What the parts of a schema are kept under in a document.
pub(crate) const SCHEMAS: &str = "#/components/schemas/";

/// What an event's own parts are kept under in its schema.
pub(crate) const DEFINITIONS: &str = "#/definitions/";

/// What an event of this name and version is called in a document.
pub(crate) fn key(name: &str, version: u32) -> String {
    format!("{}.{version}", safe(name))
}

/// A name without characters that a document does not allow; a dot separates the parts of a key.
pub(crate) fn safe(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => safe.push(c),
            c => {
                let _ = write!(safe, "_{:X}_", u32::from(c));
            }
        }
    }
    safe
}

/// One segment of a JSON pointer that stands in a URI.
pub(crate) fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'~' => segment.push_str("~0"),
            b'/' => segment.push_str("~1"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'@' => {
                segment.push(char::from(byte))
            }
            byte => {
                let _ = write!(segment, "%{byte:02X}");
            }
        }
    }
    segment
}

/// What such a segment says; none if it is not text.
pub(crate) fn unsegment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    Some(String::from_utf8(bytes).ok()?.replace("~1", "/").replace("~0", "~"))
}

/// A pointer in a URI as one that is not; none if it is neither the whole nor begins with a slash.
pub(crate) fn unpointer(pointer: &str) -> Option<String> {
    if pointer.is_empty() {
        return Some(String::new());
    }
    let escape = |segment: String| segment.replace('~', "~0").replace('/', "~1");
    let segments = pointer.strip_prefix('/')?.split('/').map(|segment| unsegment(segment).map(escape));
    let segments: Option<Vec<_>> = segments.collect();
    Some(format!("/{}", segments?.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_only_what_a_document_allows() {
        assert_eq!(key("OrderPlaced", 2), "OrderPlaced.2");
        assert_eq!(key("Bestellung geprüft", 1), "Bestellung_20_gepr_FC_ft.1");
        assert_eq!(key("a.b", 1), "a_2E_b.1");
    }

    #[test]
    fn a_segment_is_read_as_it_was_written() {
        for name in ["orders/placed", "a~1b/c", "100 %", "geprüft", "{id}", ""] {
            assert_eq!(unsegment(&segment(name)).as_deref(), Some(name));
        }
        assert_eq!(segment("orders/{id}"), "orders~1%7Bid%7D");
        assert_eq!(unsegment("%FF"), None);
        assert_eq!(unsegment("%4").as_deref(), Some("%4"));
    }
}
