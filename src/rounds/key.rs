//! The key of a round as it stands in a row, and back.

use std::sync::Arc;

use crate::{EmitError, RoundKey};

/// How many bytes a key may have.
const MOST_BYTES: usize = 256;

/// Writes a key: one letter for its kind, and its text.
///
/// # Errors
///
/// [`EmitError::Unreadable`] if it is too long, or has a character that a database does not keep.
pub(super) fn write(key: Option<&RoundKey>) -> Result<String, EmitError> {
    let text = match key {
        None => String::new(),
        Some(RoundKey::Number(number)) => format!("n{number}"),
        Some(RoundKey::Negative(number)) => format!("n{number}"),
        Some(RoundKey::Uuid(id)) => format!("u{id}"),
        Some(RoundKey::Text(text)) => format!("t{text}"),
    };
    // The letter is ours.
    if text.len() > MOST_BYTES + 1 {
        let bytes = text.len() - 1;
        let why = format!("the key of a durable round has at most {MOST_BYTES} bytes, and this one has {bytes}");
        return Err(EmitError::Unreadable(why.into()));
    }
    if text.contains('\0') {
        return Err(EmitError::Unreadable("the key of a durable round has no character of the code 0".into()));
    }
    Ok(text)
}

/// Reads a key; what nobody of ours has written is its text.
pub(super) fn read(text: &str) -> Option<RoundKey> {
    let mut letters = text.chars();
    let kind = letters.next()?;
    let rest = letters.as_str();
    Some(match kind {
        'n' => match (rest.parse(), rest.parse()) {
            (Ok(number), _) => RoundKey::Number(number),
            (_, Ok(number)) => RoundKey::Negative(number),
            _ => RoundKey::Text(Arc::from(text)),
        },
        'u' => rest.parse().map_or_else(|_| RoundKey::Text(Arc::from(text)), RoundKey::Uuid),
        _ => RoundKey::Text(Arc::from(rest)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Uuid;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let keys = [
            None,
            Some(7_u64.into()),
            Some(u64::MAX.into()),
            Some(i64::MIN.into()),
            Some(Uuid::nil().into()),
            Some("n7".into()),
            Some("".into()),
            Some("ünïcode / and more".into()),
        ];
        for key in keys {
            assert_eq!(read(&write(key.as_ref()).unwrap()), key);
        }
    }

    #[test]
    fn keys_that_differ_are_different_texts() {
        let texts: Vec<_> = [Some(7.into()), Some("7".into()), Some("".into()), None]
            .map(|key: Option<RoundKey>| write(key.as_ref()).unwrap())
            .into();
        assert_eq!(texts, ["n7", "t7", "t", ""]);
    }

    #[test]
    fn a_key_that_no_index_takes_is_refused() {
        assert!(write(Some(&"x".repeat(256).into())).is_ok());
        let error = write(Some(&"x".repeat(257).into())).unwrap_err();
        assert!(error.to_string().contains("at most 256 bytes, and this one has 257"), "{error}");
        assert!(write(Some(&"a\0b".into())).is_err());
    }
}
