//! Text from outside, as it may be shown.

/// The longest text from outside that is shown whole, in characters.
const SHOWN: usize = 80;

/// Text from outside as it may be shown: no control character reaches the terminal, and no text fills it.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        // What turns or hides the text around it is no control character, but does as much harm.
        let hidden =
            matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if letter.is_control() || hidden {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_shown_is_short_and_cannot_steer_a_terminal() {
        assert_eq!(shown("OrderPlaced"), "OrderPlaced");
        assert_eq!(shown("\u{1b}[31mred\n\u{202e}"), r"\u{1b}[31mred\n\u{202e}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 81);
    }
}
