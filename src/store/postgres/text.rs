//! Entries as the text of a statement, so that an append is one message; and patterns as the server reads them.
//!
//! `Entry → ARRAY['…', …]`, `Pattern → a regular expression`

use std::fmt::Write as _;

use crate::Pattern;
use crate::sql::postgres::{ALONE, Form, array, quoted};
use crate::store::{Entry, Wanted};

/// The call that appends these to a store.
pub(super) fn call(
    schema: &str,
    store: i32,
    tag: u32,
    entries: &[Entry],
    known: Vec<i64>,
    condition: Option<&Wanted>,
) -> String {
    let length: usize = entries.iter().map(|entry| entry.body.len() + entry.topic.len() + 64).sum();
    let mut sql = String::with_capacity(length + 256);
    let _ = write!(sql, "SELECT * FROM {schema}.convoke_append_1({store}, {tag}, ARRAY[");
    list(&mut sql, entries, |sql, entry| sql.push_str(&quoted(&entry.topic)));
    sql.push_str("]::text[], ARRAY[");
    list(&mut sql, entries, |sql, entry| match &entry.entity {
        Some(entity) => sql.push_str(&quoted(entity)),
        None => sql.push_str("NULL"),
    });
    let earlier = array(entries.iter().map(|entry| entry.earlier));
    let known = array(known.into_iter());
    let digests = array(entries.iter().map(|entry| entry.digest));
    let _ = write!(sql, "]::text[], '{earlier}', '{known}', '{digests}', ARRAY[");
    let form = Form::of(entries.iter().map(|entry| &*entry.body));
    list(&mut sql, entries, |sql, entry| write_bytes(sql, &entry.body, form));
    sql.push_str("]::bytea[], ");
    match condition {
        None => sql.push_str("NULL, NULL, NULL)"),
        Some(Wanted { since, patterns, entity }) => {
            let text = |text: Option<&str>| text.map_or("NULL".to_owned(), quoted);
            let (topic, entity) = (text(regex_of(patterns).as_deref()), text(entity.as_deref()));
            let _ = write!(sql, "{since}, {topic}, {entity})");
        }
    }
    let _ = write!(sql, " WHERE {ALONE}");
    sql
}

fn list(sql: &mut String, entries: &[Entry], mut write: impl FnMut(&mut String, &Entry)) {
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 {
            sql.push_str(", ");
        }
        write(sql, entry);
    }
}

/// Bytes as a literal, in one of the forms in which the server reads them. The text has no byte beyond ASCII, so that it is the
/// same in every encoding.
fn write_bytes(sql: &mut String, bytes: &[u8], form: Form) {
    match form {
        Form::Hex => {
            sql.push_str("E'\\\\x");
            for byte in bytes {
                let _ = write!(sql, "{byte:02x}");
            }
        }
        Form::Escape => {
            sql.push_str("E'");
            // Most of it stands as it is: what is between two that do not is copied at once.
            let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\');
            let mut rest = bytes;
            loop {
                let plain = rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
                let (before, behind) = rest.split_at(plain);
                sql.push_str(str::from_utf8(before).unwrap_or_default());
                let Some((byte, behind)) = behind.split_first() else { break };
                match byte {
                    b'\'' => sql.push_str("''"),
                    b'\\' => sql.push_str("\\\\\\\\"),
                    byte => {
                        let _ = write!(sql, "\\\\{byte:03o}");
                    }
                }
                rest = behind;
            }
        }
    }
    sql.push('\'');
}

/// One that a topic with a `/` before it matches if one of the patterns does; `None` for all topics.
pub(super) fn regex_of(patterns: &[Pattern]) -> Option<String> {
    if patterns.is_empty() {
        return None;
    }
    let mut regex = String::from("^(?:");
    for (place, pattern) in patterns.iter().enumerate() {
        if place > 0 {
            regex.push('|');
        }
        for segment in pattern.as_str().split('/') {
            match segment {
                "**" => regex.push_str("(?:/[^/]+)*"),
                "*" => regex.push_str("/[^/]+"),
                segment => {
                    regex.push('/');
                    for letter in segment.chars() {
                        // A letter behind a backslash would be a class of characters.
                        if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
                            regex.push('\\');
                        }
                        regex.push(letter);
                    }
                }
            }
        }
    }
    regex.push_str(")$");
    Some(regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_a_literal() {
        let written = |bytes: &[u8], form| {
            let mut sql = String::new();
            write_bytes(&mut sql, bytes, form);
            sql
        };
        assert_eq!(written(b"{\"a\": 'b\\n'}", Form::Escape), r#"E'{"a": ''b\\\\n''}'"#);
        assert_eq!(written(b"\0\xc3\xa4\n", Form::Escape), r"E'\\000\\303\\244\\012'");
        assert_eq!(written(b"\0\xff", Form::Hex), r"E'\\x00ff'");
    }

    #[test]
    fn a_pattern_is_a_regular_expression() {
        let of = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
            regex_of(&patterns)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["orders/*"]).unwrap(), "^(?:/orders/[^/]+)$");
        assert_eq!(of(&["orders/**", "a.b/c"]).unwrap(), r"^(?:/orders(?:/[^/]+)*|/a\.b/c)$");
    }
}
