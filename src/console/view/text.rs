//! Text from outside, as it may stand on a page: short, on one line, and without what turns or hides what stands around it.

/// The longest name that is shown whole, in characters.
const SHOWN: usize = 80;

/// The longest text that somebody has to say, as an error with its causes.
const TOLD: usize = 2_000;

/// The longest payload.
const WHOLE: usize = 20_000;

/// A name, an id or a key.
pub(crate) fn shown(text: &str) -> String {
    cut(text, SHOWN, false)
}

/// What somebody has to say, as an error.
pub(crate) fn told(text: &str) -> String {
    cut(text, TOLD, false)
}

/// What stands in a block with lines of its own, as a payload.
pub(crate) fn block(text: &str) -> String {
    cut(text, WHOLE, true)
}

fn cut(text: &str, most: usize, has_lines: bool) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if steers(letter) && !(has_lines && letter == '\n') {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Whether a character does more than to be seen: it ends a line, or turns or hides what stands around it. What markup is, is escaped
/// by the templates.
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text as a value in the query of a link.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for half in [byte >> 4, byte & 15] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
            }
        }
    }
    encoded
}

/// A link to a place, with what is asked of it: what is empty is left out.
pub(crate) fn link(place: &str, asked: &[(&str, &str)]) -> String {
    let mut link = place.to_owned();
    let mut joint = '?';
    for (name, value) in asked.iter().filter(|(_, value)| !value.is_empty()) {
        link.push(joint);
        link.push_str(name);
        link.push('=');
        link.push_str(&encoded(value));
        joint = '&';
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_turns_nothing_around() {
        assert_eq!(shown("OrderPlaced"), "OrderPlaced");
        assert_eq!(shown("a\u{202e}b\n"), r"a\u{202e}b\n");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 81);
        assert_eq!(block("a\nb\r\u{1b}"), "a\nb\\r\\u{1b}");
        assert_eq!(block(&"x".repeat(30_000)).chars().count(), 20_001);
    }

    #[test]
    fn a_link_says_what_was_meant_whatever_that_is() {
        let place = link("/convoke/dead/s", &[("queue", "a/b&c=\"<>\u{fc} #?%"), ("after", ""), ("id", "p7")]);
        assert_eq!(place, "/convoke/dead/s?queue=a%2Fb%26c%3D%22%3C%3E%C3%BC%20%23%3F%25&id=p7");
        assert_eq!(link("/x", &[("a", "")]), "/x");
    }
}
