//! What is told of a payload that is hidden: how large it is, and the names of its fields.

use serde_json::Value;

use super::figures::figure;
use crate::error::cut;

/// As many fields are named.
const NAMED: usize = 8;

/// As many signs of each name are shown: a name may be a value that somebody has turned into a key.
const SIGNS: usize = 24;

/// The names of a payload's fields, as they may be shown, and how many more there are. None if it is no object.
pub(super) fn fields(payload: &Value) -> Option<(Vec<String>, usize)> {
    let Value::Object(all) = payload else { return None };
    let names: Vec<String> = all.keys().take(NAMED).map(|name| name_of(name)).collect();
    let more = all.len() - names.len();
    Some((names, more))
}

/// A name that is no word may be a value: an address, a number, an id.
fn name_of(name: &str) -> String {
    let is_word = name.starts_with(|first: char| first.is_alphabetic() || matches!(first, '_' | '$'))
        && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$'));
    if is_word { cut(name, SIGNS) } else { "(a name)".to_owned() }
}

/// What is told of JSON that is hidden: how large it is, and the names of its fields.
pub(crate) fn hidden(text: &str) -> String {
    let bytes = figure(Some(text.len() as u64));
    let of = match serde_json::from_str(text).ok().as_ref().and_then(fields) {
        Some((names, 0)) if names.is_empty() => " of JSON without fields".to_owned(),
        Some((names, 0)) => format!(" of JSON with {}", names.join(", ")),
        Some((names, more)) => format!(" of JSON with {} and {more} more", names.join(", ")),
        None => " of JSON".to_owned(),
    };
    format!("(hidden: {bytes} bytes{of})")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_told_and_what_may_be_a_value_is_not() {
        let (names, more) = fields(&json!({"email": "a", "ada@example.org": 1, "17": 2, "\u{1b}[2J": 3})).unwrap();
        assert_eq!((names, more), (vec!["(a name)".into(), "(a name)".into(), "(a name)".into(), "email".into()], 0));
        let many: serde_json::Map<String, Value> = (0..20).map(|n| (format!("f{n:02}"), Value::Null)).collect();
        let (names, more) = fields(&Value::Object(many)).unwrap();
        assert_eq!((names.len(), more), (8, 12));
        assert_eq!(fields(&json!(["ada"])), None);
    }
}
