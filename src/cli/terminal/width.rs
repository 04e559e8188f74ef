//! How wide a text is on a terminal, and how wide a terminal is.

use std::env;

/// How wide a line may be where nobody says.
const USUAL: usize = 80;

/// How wide a line may be: what `COLUMNS` says, or the terminal, or else 80 columns.
pub(super) fn room() -> usize {
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.or_else(|| console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns)))
        .filter(|columns| *columns > 0)
        .unwrap_or(USUAL)
}

/// How many columns a text takes: two for a sign of East Asia or a picture, none for a mark on another sign.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// As much of a text as fits, with a sign for the rest.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let (mut short, mut taken) = (String::new(), 1);
    for letter in text.chars() {
        taken += columns(letter);
        if taken > room {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

fn columns(letter: char) -> usize {
    match u32::from(letter) {
        0x0300..=0x036f
        | 0x0483..=0x0489
        | 0x0591..=0x05bd
        | 0x064b..=0x065f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xa960..=0xa97c
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_wide_as_a_terminal_shows_it() {
        for (text, columns) in [("", 0), ("orders", 6), ("é", 1), ("e\u{301}", 1), ("注文", 4), ("📦", 2), ("–", 1)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
        assert_eq!(cut("orders", 6), "orders");
        assert_eq!(cut("orders", 5), "orde…");
        assert_eq!(cut("注文の", 5), "注文…");
        assert_eq!(cut("注文の", 4), "注…");
        assert_eq!(cut("orders", 1), "…");
    }
}
