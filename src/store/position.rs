//! The place of a record in its store.
//!
//! `append → Position → its text, kept anywhere → read, replay, nothing_since`

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::StoreError;
use super::records::LAST_POSITION;
use crate::__private::debug_is_display;

/// The place of a record in a store: 1, 2, 3 and so on, without a gap.
///
/// A position knows to which store it belongs, so that one of another store is an error and not the wrong record. It is
/// kept as text, in serde too: `17@5c1f0a3b`, where what follows the `@` says which store.
///
/// ```
/// use convoke::Position;
///
/// let position: Position = "17@5c1f0a3b".parse()?;
/// assert_eq!(position.number(), 17);
/// assert_eq!(position.to_string(), "17@5c1f0a3b");
/// assert_eq!(Position::START.to_string(), "0");
/// # Ok::<(), convoke::NoPosition>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Position {
    number: u64,
    /// 0 with the number 0, which is before the first record of every store.
    tag: u32,
}

impl Position {
    /// Before the first record, in every store.
    pub const START: Self = Self { number: 0, tag: 0 };

    pub(crate) const fn new(tag: u32, number: u64) -> Self {
        match number {
            0 => Self::START,
            number => Self { number, tag },
        }
    }

    /// Returns which record of its store this is, from 1; 0 for [`START`](Self::START).
    pub const fn number(self) -> u64 {
        self.number
    }

    /// The number of a position of this store.
    ///
    /// # Errors
    ///
    /// If it is one of another store.
    pub(super) fn number_in(self, tag: u32, store: &str) -> Result<u64, StoreError> {
        match self {
            Self::START => Ok(0),
            position if position.tag == tag => Ok(position.number),
            position => Err(StoreError::Elsewhere { position, store: store.to_owned() }),
        }
    }
}

debug_is_display!(Position);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str("0"),
            number => write!(f, "{number}@{:08x}", self.tag),
        }
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        if text == "0" {
            return Ok(Self::START);
        }
        let (number, tag) = text.split_once('@').ok_or(NoPosition)?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number: u64 = if is_number(number) { number.parse().map_err(|_| NoPosition)? } else { 0 };
        let tag = u32::from_str_radix(tag, 16).ok().filter(|_| tag.len() == 8 && is_number(tag)).ok_or(NoPosition)?;
        if number == 0 || number > LAST_POSITION { Err(NoPosition) } else { Ok(Self { number, tag }) }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The text is no [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl fmt::Display for NoPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is written as `17@5c1f0a3b`: take the text of one that a store has returned, or `0`")
    }
}

impl std::error::Error for NoPosition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_position_or_an_error() {
        for text in ["0", "17@5c1f0a3b", "1@00000000", "1099511627775@ffffffff"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        let wrong = [
            "",
            "17",
            "0@5c1f0a3b",
            "17@",
            "@5c1f0a3b",
            "17@5c1f0a3",
            "17@5c1f0a3bb",
            "-1@5c1f0a3b",
            "+1@5c1f0a3b",
            "1@+c1f0a3b",
        ];
        for text in wrong.into_iter().chain(["1099511627776@5c1f0a3b", "99999999999999999999@5c1f0a3b", " 1@5c1f0a3b"])
        {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }

    #[test]
    fn as_json_it_is_a_text() {
        let json = serde_json::to_string(&Position::new(9, 3)).unwrap();
        assert_eq!(json, "\"3@00000009\"");
        assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), Position::new(9, 3));
        assert!(serde_json::from_str::<Position>("3").is_err());
        assert_eq!(Position::new(9, 0), Position::START);
    }
}
