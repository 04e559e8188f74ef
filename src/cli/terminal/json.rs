//! JSON as it may be shown: what would steer a terminal is escaped as JSON has it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::error::steers;

/// A value on one line, or over several.
pub(super) fn written(value: &Value, is_pretty: bool) -> String {
    let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
    if !text.chars().any(|letter| steers(letter) && letter != '\n') {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        // Inside of a text alone there can be others: a line of its own is the layout's.
        if steers(letter) && letter != '\n' {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_the_same_json_and_steers_nothing() {
        let value = json!({"a\u{1b}[2J": ["\u{9b}31m", "\u{202e}\u{7f}", "\u{e0041}", "注文\n", 7, null]});
        for is_pretty in [false, true] {
            let text = written(&value, is_pretty);
            assert!(!text.chars().any(|letter| steers(letter) && letter != '\n'), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        assert!(!written(&value, false).contains('\n'));
    }
}
