//! Bytes in the text of a row, as a simple query returns them.
//!
//! `bytea_output = hex → bytes_of → bytes`

use sqlx::Row;
use sqlx::postgres::PgRow;

/// Reads a column of bytes as the text that it is: the client would take ten times as long to read it.
pub(crate) fn bytes_of(row: &PgRow, column: usize) -> Result<Vec<u8>, sqlx::Error> {
    row.try_get_raw(column)?.as_bytes().ok().and_then(from_hex).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: "it is not in hexadecimal".into(),
    })
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

/// Reads bytes as the server writes them: `\x`, and two digits for each.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"\\x")?;
    let mut wrong = digits.len() % 2 != 0;
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
    use super::from_hex;

    #[test]
    fn bytes_are_read_as_the_server_writes_them() {
        assert_eq!(from_hex(b"\\x").unwrap(), b"");
        assert_eq!(from_hex(b"\\x00ff7f80a9").unwrap(), [0, 255, 127, 128, 169]);
        let all: Vec<u8> = (0..=255).collect();
        let text: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(from_hex(format!("\\x{text}").as_bytes()).unwrap(), all);
        for wrong in ["", "00", "\\x0", "\\x0g", "\\xF0", "\\x\u{e9}", "x00"] {
            assert_eq!(from_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
