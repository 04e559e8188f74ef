//! Text from outside, as it may be shown.

/// The longest text from outside that is shown whole, in characters.
const SHOWN: usize = 80;

/// The longest text that somebody has to say, as an error with its causes.
const TOLD: usize = 2_000;

/// A name, an id or a path from outside as it may be shown: no control character reaches the terminal, and no text fills it.
pub(crate) fn shown(text: &str) -> String {
    cut(text, SHOWN)
}

/// What somebody has to say, as an error with its causes: shown whole unless it would fill the screen.
pub(crate) fn told(text: &str) -> String {
    cut(text, TOLD)
}

/// Text from outside, on one line, of which at most so many characters are read.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if steers(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Whether a character does more to a terminal than to be seen: it moves the cursor, ends a line, or turns or hides what stands
/// around it.
pub(crate) fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::{shown, told};

    #[test]
    fn what_is_shown_is_short_and_cannot_steer_a_terminal() {
        assert_eq!(shown("OrderPlaced"), "OrderPlaced");
        assert_eq!(shown("\u{1b}[31mred\n\u{202e}"), r"\u{1b}[31mred\n\u{202e}");
        assert_eq!(shown("\u{9b}2J\u{7f}\u{ad}\u{61c}\u{e0041}"), r"\u{9b}2J\u{7f}\u{ad}\u{61c}\u{e0041}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 81);
        assert_eq!(told(&"x".repeat(1000)), "x".repeat(1000));
    }
}
