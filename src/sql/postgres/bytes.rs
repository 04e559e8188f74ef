//! Bytes in the text of a row, as a simple query returns them.
//!
//! `bytea_output = Form → body_of → bytes → Form::of, for the next time`

use sqlx::Row;
use sqlx::postgres::PgRow;

/// How the server is to write the bytes of bodies, for a simple query is one message whose rows are texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are, but for those that are no ASCII: of JSON that is half the size.
    #[default]
    Escape,
    Hex,
}

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Escape => "escape",
            Self::Hex => "hex",
        }
    }

    /// In which form these bytes would have been the shorter.
    pub(crate) fn of<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut all, mut escaped) = (0, 0);
        for body in bodies {
            all += body.len();
            escaped += body.iter().filter(|byte| !byte.is_ascii() || byte.is_ascii_control()).count();
        }
        // Four characters in place of one, or two for each.
        if escaped * 3 > all { Self::Hex } else { Self::Escape }
    }
}

/// Whether PostgreSQL may write them as the text that they are, which takes a tenth of the time. It keeps no text with a
/// character of the code 0.
pub(crate) fn is_text(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| !text.contains('\0'))
}

/// Reads a column of bytes as the text that it is: the client would take ten times as long to read it.
pub(crate) fn body_of(row: &PgRow, column: usize) -> Result<Vec<u8>, sqlx::Error> {
    row.try_get_raw(column)?.as_str().ok().and_then(read_bytes).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: "it is in neither form of bytes".into(),
    })
}

/// Reads bytes as the server writes them, in either form: a backslash and `x` is the beginning of the second alone.
fn read_bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => from_hex(digits.as_bytes()),
        None => from_escaped(text),
    }
}

/// Bytes as they are, but for a backslash, which is two, and for those that are no ASCII: a backslash and three octal digits.
fn from_escaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match escaped.as_bytes() {
            [b'\\', ..] => (b'\\', 1),
            [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] => {
                ((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'), 3)
            }
            _ => return None,
        };
        bytes.push(byte);
        rest = escaped.get(length..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// The value of each digit, and 255 for what is none.
const DIGITS: [u8; 256] = {
    let (mut digits, mut digit) = ([255; 256], 0);
    while digit < 16 {
        digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};

/// Two digits for each.
fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let mut wrong = !digits.len().is_multiple_of(2);
    let byte = |pair: &[u8]| {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        wrong |= (high | low) > 15;
        high << 4 | (low & 15)
    };
    let bytes = digits.chunks_exact(2).map(byte).collect();
    (!wrong).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Form, read_bytes};

    #[test]
    fn bytes_are_read_as_the_server_writes_them() {
        assert_eq!(read_bytes("\\x").unwrap(), b"");
        assert_eq!(read_bytes("\\x00ff7f80a9").unwrap(), [0, 255, 127, 128, 169]);
        let all: Vec<u8> = (0..=255).collect();
        let text: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(read_bytes(&format!("\\x{text}")).unwrap(), all);
        for wrong in ["\\x0", "\\x0g", "\\xF0", "\\x\u{e9}"] {
            assert_eq!(read_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_are_read_where_those_are_escaped_that_are_no_text() {
        assert_eq!(read_bytes("").unwrap(), b"");
        assert_eq!(read_bytes(r#"{"a": "\\n\303\244"}"#).unwrap(), "{\"a\": \"\\nä\"}".as_bytes());
        assert_eq!(read_bytes(r"\\x00\000\177\377").unwrap(), *b"\\x00\x00\x7f\xff");
        for wrong in ["\\", "a\\", "\\y", "\\12", "\\400", "\\18a", "\\\\\\"] {
            assert_eq!(read_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_form_is_the_one_in_which_what_came_was_shorter() {
        let form = |bodies: &[&[u8]]| Form::of(bodies.iter().copied());
        assert_eq!(form(&[b"{\"id\": 7}", "ä".as_bytes()]), Form::Escape);
        assert_eq!(form(&[&[0; 8], b"a"]), Form::Hex);
        assert_eq!(form(&["да".as_bytes()]), Form::Hex);
    }
}
