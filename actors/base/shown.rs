//! Text that may have come from outside, as a person may see it: on one line, readable from left to right, and not too long.
//!
//! `an event's name, a key, an error that quotes what it read → Shown → log, errors, reports`

use std::fmt::{self, Write as _};

/// How many characters of a name are shown: more than any has that somebody has given it.
const NAME: usize = 200;

/// How many characters of a text are shown, as of an error with its sources.
const TEXT: usize = 2_000;

/// What stands for the rest.
const CUT: char = '…';

/// A text that may have come from outside, as it stands in a log, an error or a report.
///
/// Who chooses an event's name, or what a payload says that an error quotes, would otherwise write lines of our log, move the
/// cursor of who reads it, turn what stands behind it around, or fill the disk. So what controls is escaped, and what is too
/// long is cut. What is shown already stays as it is, so that an error may quote another.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    text: &'a str,
    most: usize,
}

impl<'a> Shown<'a> {
    /// Shows a name, an id or a key.
    pub fn name(text: &'a str) -> Self {
        Self { text, most: NAME }
    }

    /// Shows what somebody has to say.
    pub fn text(text: &'a str) -> Self {
        Self { text, most: TEXT }
    }

    /// Shows no more than so many characters.
    #[cfg(feature = "testing")]
    pub(crate) fn at_most(text: &'a str, most: usize) -> Self {
        Self { text, most }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nearly all are of these.
        if self.text.len() <= self.most && self.text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return f.write_str(self.text);
        }
        let mut left = self.most;
        for c in self.text.chars() {
            let length = if controls(c) { escaped(c).count() } else { 1 };
            if length > left {
                return f.write_char(CUT);
            }
            left -= length;
            if length == 1 {
                f.write_char(c)?;
            } else {
                escaped(c).try_for_each(|c| f.write_char(c))?;
            }
        }
        Ok(())
    }
}

/// In quotes, as a text is.
impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Several, with something between them; of a list that is long the first.
pub(crate) fn joined<'a>(texts: impl IntoIterator<Item = &'a str>, between: &str) -> String {
    let mut joined = String::new();
    for (place, text) in texts.into_iter().enumerate() {
        let _ = write!(joined, "{}{}", if place == 0 { "" } else { between }, Shown::name(text));
    }
    joined
}

/// Whether a character does more than to be seen, or is not to be seen: it ends a line, moves the cursor, turns the direction
/// of what follows, or is a space that is none.
fn controls(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// As in a program: `\n`, `\u{1b}`.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let (short, long) = if matches!(c, '\n' | '\r' | '\t') {
        (Some(c.escape_default()), None)
    } else {
        (None, Some(c.escape_unicode()))
    };
    short.into_iter().flatten().chain(long.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> String {
        Shown::name(text).to_string()
    }

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        for text in
            ["", "OrderPlaced", "Bestellung/geändert", r#"a "quoted" \ backslash"#, "注文", "👩‍👩‍👧", &"x".repeat(NAME)]
        {
            assert_eq!(name(text), text);
        }
        assert_eq!(format!("{:?}", Shown::name("OrderPlaced")), "\"OrderPlaced\"");
    }

    #[test]
    fn what_ends_a_line_or_controls_is_escaped() {
        assert_eq!(name("a\nWARN convoke: forged"), r"a\nWARN convoke: forged");
        assert_eq!(name("\r\t\0\x1b[2J\x7f\u{85}\u{9b}"), r"\r\t\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}");
        assert_eq!(name("\u{2028}\u{2029}"), r"\u{2028}\u{2029}");
        assert_eq!(name("gpj\u{202e}exe\u{2066}\u{200f}\u{61c}"), r"gpj\u{202e}exe\u{2066}\u{200f}\u{61c}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_no_character_in_two() {
        let long = "é".repeat(900_000);
        assert_eq!(name(&long), format!("{}…", "é".repeat(NAME)));
        assert_eq!(Shown::text(&long).to_string().chars().count(), TEXT + 1);
        // What is escaped counts for as much as it takes.
        assert_eq!(name(&"\n".repeat(1_000)), format!("{}…", r"\n".repeat(NAME / 2)));
        assert_eq!(name(&format!("{}\u{1b}", "x".repeat(NAME - 2))), format!("{}…", "x".repeat(NAME - 2)));
        assert_eq!(joined(["a\n", "b"], ", "), r"a\n, b");
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_one_short_line_and_is_shown_the_same_again(text in any::<String>(), many in 1..40_usize) {
            let shown = name(&text.repeat(many));
            prop_assert!(shown.chars().count() <= NAME + 1 && !shown.chars().any(controls));
            prop_assert_eq!(name(&shown), shown);
        }
    }
}
